"""What an installed framework has registered, held against what the catalogue registers (`chatwright sync`)."""

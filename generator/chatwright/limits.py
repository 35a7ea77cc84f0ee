"""How much is read of what others wrote, each limit once. What is longer is cut in messages, and refused as data."""

LONGEST_MESSAGE = 300  # characters of what a foreign file or program says, in a message of ours
LONGEST_NAME = 200  # characters of a name or id in a model's files
LONGEST_SPECIAL = 200  # characters of a special token, such as the BOS
LONGEST_TOKEN = 1000  # characters of any other that is listed beside the vocabulary: some are runs of spaces
LONGEST_TEMPLATE = 2_000_000  # characters of a chat template, all named ones together
MOST_STOPS = 1000  # ids in eos_token_id
FILE_BYTES = 100 << 20  # of one file of a model; the largest tokenizer.json there is has some 40 MB
FILE_VALUES = 5_000_000  # values in one JSON file of a model; that tokenizer.json has some 2 million
MOST_KEYS = 10_000  # keys of a GGUF; a large model has some 60
MOST_TOKENS = 2_000_000  # tokens in a GGUF's vocabulary; the largest there are have some 260,000
MOST_TENSORS = 500_000  # descriptions of tensors in a GGUF; a large model has some 2000
LONGEST_KEY = 1000  # bytes of a key or a tensor's name in a GGUF; llama.cpp's longest name has 63

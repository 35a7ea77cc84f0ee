"""Limits for foreign data. Text over a limit is cut in messages; data over a limit is refused."""

LONGEST_MESSAGE = 300  # characters that a message quotes from a foreign file or program
LONGEST_NAME = 200  # characters of a name or id in a model's files
LONGEST_SPECIAL = 200  # characters of a special token, such as the BOS
LONGEST_TOKEN = 1000  # characters of any other added token: some are runs of spaces
LONGEST_TEMPLATE = 2_000_000  # characters of a chat template; if there are several named ones, of all together
MOST_STOPS = 1000  # ids in eos_token_id
FILE_BYTES = 100 << 20  # of one file of a model; the largest known tokenizer.json has about 40 MB
FILE_VALUES = 5_000_000  # values in one JSON file of a model; that tokenizer.json has about 2 million
MOST_KEYS = 10_000  # keys of a GGUF; a large model has some 60
MOST_TOKENS = 2_000_000  # tokens in a GGUF's vocabulary; the largest there are have some 260,000
MOST_TENSORS = 500_000  # descriptions of tensors in a GGUF; a large model has some 2000
LONGEST_KEY = 1000  # bytes of a key or a tensor's name in a GGUF; llama.cpp's longest name has 63

"""Text to ids and back: BOS, streaming, and text that the vocabulary does not have."""

import dataclasses

import pytest
import tokenizers
from tiny import REPO, SHAPE, VECTORS
from tokenizers import decoders, models, pre_tokenizers, processors

from hc1gen.errors import InputError
from hc1gen.frontend.config import load_config
from hc1gen.frontend.tokenizer import Streamer, Tokenizer

OWN = REPO / "hc1gen" / "models" / "tinystories-w3"
SPECIAL = {"<unk>": 0, "<s>": 1, "</s>": 2}


@pytest.fixture
def stories():
    return Tokenizer.load(OWN, load_config(OWN / "config.json"))


def word_level(folder, words, unknown="<unk>", template=None):
    """A tokenizer of whole words, ids from 3, optionally with a post-processor that adds BOS."""
    vocab = SPECIAL | {word: index for index, word in enumerate(words, 3)}
    inner = tokenizers.Tokenizer(models.WordLevel(vocab, unk_token=unknown))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.add_special_tokens(list(SPECIAL))
    if template:
        inner.post_processor = processors.TemplateProcessing(template, special_tokens=[("<s>", 1), ("</s>", 2)])
    inner.save(str(folder / "tokenizer.json"))
    return folder


UNKNOWN = "character {} at position {} of the text is not in the vocabulary; leave it out or write it otherwise"


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    (text,) = caught.value.problems
    return text


@pytest.mark.parametrize("template", [None, "<s> $A", "<s> $A </s>"])
def test_bos_exactly_once_whatever_the_post_processor_adds(tmp_path, template):
    word_level(tmp_path, ["a", "b"], template=template)
    assert Tokenizer.load(tmp_path, SHAPE).encode("a b a") == [1, 3, 4, 3]
    assert Tokenizer.load(tmp_path, SHAPE).encode("<s> a") == [1, 3]
    without = dataclasses.replace(SHAPE, bos=None)
    assert Tokenizer.load(tmp_path, without).encode("a b a") == [3, 4, 3]


def test_empty_text(tmp_path):
    word_level(tmp_path, ["a"])
    assert Tokenizer.load(tmp_path, SHAPE).encode("") == [1]
    without = Tokenizer.load(tmp_path, dataclasses.replace(SHAPE, bos=None))
    assert refusal(without.encode, "").startswith("empty prompt: this model has no BOS")


def test_truncation_and_padding_are_off(tmp_path):
    path = word_level(tmp_path, ["a"]) / "tokenizer.json"
    inner = tokenizers.Tokenizer.from_file(str(path))
    inner.enable_truncation(2)
    inner.enable_padding(length=9)
    inner.save(str(path))
    assert Tokenizer.load(tmp_path, SHAPE).encode("a a a a") == [1, 3, 3, 3, 3]


@pytest.mark.parametrize("text", ["Once upon a time", "a  b", " x", "日本 é 😀", "line\nline", "�", "<unk>", ""])
def test_round_trip_and_stream(stories, text):
    ids = stories.encode(text)
    whole = stories.decode(ids)
    assert whole == ("" if text == "<unk>" else text)
    streamer = Streamer(stories)
    assert "".join(streamer.push(token) for token in ids) + streamer.finish() == whole


def test_stream_behind_a_prompt_keeps_the_space(stories):
    prompt, whole = stories.encode("Once upon"), stories.encode("Once upon a time")
    streamer = Streamer(stories, prompt)
    assert "".join(streamer.push(token) for token in whole[len(prompt) :]) == " a time"


def test_stream_holds_an_incomplete_character_back(stories):
    first, *middle, last = stories.encode("😀")[2:]
    streamer = Streamer(stories)
    assert [streamer.push(token) for token in (first, *middle)] == [""] * 3
    assert streamer.push(last) == "😀"
    assert streamer.finish() == ""


def test_stream_prints_what_stays_incomplete_at_the_end(stories):
    streamer = Streamer(stories)
    assert streamer.push(stories.encode("😀")[2]) == ""
    assert streamer.finish() == "�"
    assert streamer.finish() == ""


@pytest.mark.parametrize("folder", sorted(VECTORS.iterdir()), ids=lambda folder: folder.name)
def test_tokenizers_of_the_vectors(folder):
    tokenizer = Tokenizer.load(folder, load_config(folder / "config.json"))
    assert tokenizer.decode(tokenizer.encode("hello, you!")) == "hello, you!"
    assert refusal(tokenizer.encode, "ab é") == UNKNOWN.format("'é'", 3)


def test_unknown_word_names_its_first_character(tmp_path):
    tokenizer = Tokenizer.load(word_level(tmp_path, ["a"]), SHAPE)
    assert refusal(tokenizer.encode, "a zoo") == UNKNOWN.format("'z'", 2)
    assert tokenizer.encode("a <unk>") == [1, 3, 0]


def test_text_dropped_by_a_tokenizer_without_unknown_token(tmp_path):
    inner = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1}, merges=[]))
    inner.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path, SHAPE)
    assert refusal(tokenizer.encode, "abc") == UNKNOWN.format("'c'", 2)


def test_unigram_unknown(tmp_path):
    inner = tokenizers.Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    inner.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path, dataclasses.replace(SHAPE, bos=None))
    assert tokenizer.encode("aa") == [1, 1]
    assert refusal(tokenizer.encode, "a?") == UNKNOWN.format("'?'", 1)


def test_byte_level_takes_everything(tmp_path):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = tokenizers.Tokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path, dataclasses.replace(SHAPE, vocab=256, bos=None))
    ids = tokenizer.encode("naïve 😀 日本")
    streamer = Streamer(tokenizer)
    assert "".join(streamer.push(token) for token in ids) == tokenizer.decode(ids) == "naïve 😀 日本"


def test_encoder_failure_is_an_input_error(tmp_path):
    tokenizer = Tokenizer.load(word_level(tmp_path, ["a"], unknown="[none]"), SHAPE)
    assert refusal(tokenizer.encode, "b").startswith("cannot encode 'b': ")


def test_vocabulary_size(tmp_path):
    word_level(tmp_path, [f"w{i}" for i in range(8)])
    Tokenizer.load(tmp_path, SHAPE)
    Tokenizer.load(tmp_path, dataclasses.replace(SHAPE, vocab=50))
    small = dataclasses.replace(SHAPE, vocab=10)
    assert refusal(Tokenizer.load, tmp_path, small) == (
        "has 11 tokens, the model has 10; take the tokenizer of this model"
    )


def test_missing_tokenizer(tmp_path):
    assert refusal(Tokenizer.load, tmp_path, SHAPE) == (
        "no such file; the model needs its tokenizer.json beside config.json"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b'{"model": {"type": "Magic"}}'])
def test_corrupt_tokenizer(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    assert refusal(Tokenizer.load, tmp_path, SHAPE).startswith("not a tokenizer: ")


@pytest.mark.parametrize("token", [-1, 11])
def test_decode_refuses_ids_outside_the_model(tmp_path, token):
    tokenizer = Tokenizer.load(word_level(tmp_path, ["a"]), SHAPE)
    assert refusal(tokenizer.decode, [token]) == f"token {token} is outside the vocabulary of 11"
    assert tokenizer.decode([1, 3, 10]) == "a"


@pytest.mark.parametrize(("text", "character", "position"), [("hé 12", "é", 1), ("1hello", "1", 0), ("h¿llo", "¿", 1)])
def test_unknown_character_is_named_whatever_follows_it(tmp_path, text, character, position):
    vocabulary = {c: i for i, c in enumerate("helo 2")}
    tokenizers.Tokenizer(models.BPE(vocabulary, [])).save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path, dataclasses.replace(SHAPE, bos=None))
    assert refusal(tokenizer.encode, text).startswith(f"character {character!r} at position {position} of the text")

"""Every registered encoder: its features, what they depend on, and its gradients."""

import io
from copy import deepcopy
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from crl.encoders.gru import GRUEncoder, final_states, final_states_on_cpu
from crl.encoders.images import Standardise
from crl.encoders.torchvision_model import TorchvisionModel
from crl.encoders.wrappers import EncoderPair, UnitLength
from crl.experiments.config.encoders import ENCODERS

repeated = settings(max_examples=20, deadline=None, derandomize=True)
few = settings(max_examples=5, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)

DIMENSION = 6
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
VOCABULARY = 12
SENTENCE_ENCODERS = sorted(name for name, entry in ENCODERS.items() if entry.points == "sentences")
# The others have tests elsewhere: an installed encoder needs a package, the identity no weights.
BUILT_HERE = [name for name in ENCODERS if name not in ("installed", "identity")]
IMAGE_ENCODERS = sorted(name for name in BUILT_HERE if ENCODERS[name].points == "images")
OPTIONS = {
    "vgg16": {"batch_norm": True, "dropout": 0.0},
    "small_cnn": {"width": 32},
    "torchvision": {"model": "resnet18", "weights": "random", "image_size": 32},
    "gru": {"frozen": True, "bidirectional": True, "dropout": 0.3},
    "bag_of_words": {"frozen": True, "dropout": 0.0},
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, seed: int = 0, **options: object) -> nn.Module:
    """An encoder whose weights and, for sentences, word vectors follow from the seed."""
    if ENCODERS[name].points == "images":
        options = {"mean": MEAN, "std": STD} | options
    else:
        options = {"vectors": torch.randn(VOCABULARY, 5, generator=seeded(seed))} | options
    torch.manual_seed(seed)
    return ENCODERS[name].load()(**{"dimension": DIMENSION} | OPTIONS[name] | options)


@cache
def in_eval(name: str) -> nn.Module:
    """An encoder built once, because VGG-16 takes a while; tests must not change it."""
    return build(name).eval()


def sentences(seed: int, lengths: list[int]) -> Tensor:
    """Random words, padded with 0 to the longest."""
    words = torch.randint(1, VOCABULARY, (len(lengths), max(1, *lengths)), generator=seeded(seed))
    return words * (torch.arange(words.shape[1]) < torch.tensor(lengths)[:, None])


def images(seed: int, count: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.randint(256, (count, 3, height, width), generator=seeded(seed), dtype=torch.uint8)


def batch(name: str, seed: int, count: int) -> Tensor:
    if ENCODERS[name].points == "images":
        return images(seed, count)
    return sentences(seed, torch.randint(8, (count + 1,), generator=seeded(seed)).tolist())[:count]


@pytest.mark.parametrize("name", BUILT_HERE)
def test_every_entry_of_the_registry_builds_a_module(name):
    assert ENCODERS[name].points in {"images", "sentences"}
    encoder = in_eval(name)
    assert isinstance(encoder, nn.Module)
    assert any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("name", BUILT_HERE)
@few
@given(seeds, st.integers(1, 5))
def test_features_are_finite_floats_of_the_asked_shape(name, seed, count):
    with torch.no_grad():
        features = in_eval(name)(batch(name, seed, count))
    assert features.shape == (count, DIMENSION)
    assert features.dtype == torch.float32
    assert features.isfinite().all()


@pytest.mark.parametrize("name", BUILT_HERE)
def test_every_trained_parameter_gets_a_finite_gradient(name):
    encoder = deepcopy(in_eval(name)).train()
    encoder(batch(name, 0, 4)).square().sum().backward()
    for parameter in encoder.parameters():
        assert not parameter.requires_grad or parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", BUILT_HERE)
def test_features_do_not_depend_on_the_rest_of_the_batch_or_its_order(name):
    encoder, points = in_eval(name), batch(name, 1, 5)
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        features = encoder(points)
        torch.testing.assert_close(encoder(points[order]), features[order], rtol=1e-4, atol=1e-5)
        for place in range(5):
            torch.testing.assert_close(
                encoder(points[place, None])[0], features[place], rtol=1e-4, atol=1e-5
            )
    assert (features[:-1] - features[1:]).abs().amax(1).min() > 1e-3  # different points differ


@pytest.mark.parametrize("name", BUILT_HERE)
def test_a_state_dict_survives_a_file(name):
    """Weights, buffers and word vectors: the second encoder starts with zeros."""
    first, second, points = in_eval(name), deepcopy(in_eval(name)), batch(name, 2, 3)
    for module in second.modules():
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            tensor.data.zero_()
    with torch.no_grad():
        expected = first(points)
        assert not torch.allclose(second(points), expected)
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(second(points), expected)


# Images


def test_standardise_equals_a_loop_over_channels():
    pixels = images(0, 2, 3, 4)
    features = Standardise(MEAN, STD)(pixels)
    assert features.dtype == torch.float32
    for image in range(2):
        for channel in range(3):
            expected = (pixels[image, channel].double() / 255 - MEAN[channel]) / STD[channel]
            torch.testing.assert_close(
                features[image, channel].double(), expected, rtol=1e-5, atol=1e-5
            )


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_raw_pixels_are_standardised_inside(name):
    """Brighter pixels give the same features if the mean rises as much, and others if not."""
    pixels = images(0, 2) // 2
    encoder = deepcopy(in_eval(name))
    [layer] = [module for module in encoder.modules() if isinstance(module, Standardise)]
    assert torch.equal(layer(pixels), Standardise(MEAN, STD)(pixels))
    with torch.no_grad():
        expected = encoder(pixels)
        assert not torch.allclose(encoder(pixels + 60), expected, rtol=1e-2, atol=1e-3)
        layer.load_state_dict(Standardise([mean + 60 / 255 for mean in MEAN], STD).state_dict())
        torch.testing.assert_close(encoder(pixels + 60), expected, rtol=1e-3, atol=1e-4)


@repeated
@given(seeds, st.integers(8, 70), st.integers(8, 70), st.booleans())
def test_small_cnn_takes_images_of_other_sizes(seed, height, width, training):
    encoder = build("small_cnn", width=4).train(training)
    features = encoder(images(seed, 2, height, width))
    assert features.shape == (2, DIMENSION)
    assert features.isfinite().all()


def test_vgg16_takes_larger_images_and_works_without_batch_norm():
    encoder = build("vgg16", batch_norm=False).eval()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in encoder.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in in_eval("vgg16").modules())
    with torch.no_grad():
        for vgg16 in (encoder, in_eval("vgg16")):
            features = vgg16(images(0, 2, 64, 40))
            assert features.shape == (2, DIMENSION) and features.isfinite().all()


# Sentences


@repeated
@given(
    seeds,
    st.lists(st.integers(1, 6), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
)
def test_the_loop_over_time_equals_the_packed_gru_in_value_and_gradient(
    seed, lengths, e, h, bidirectional
):
    torch.manual_seed(seed)
    gru = nn.GRU(e, h, bidirectional=bidirectional).double()
    lengths = sorted(lengths, reverse=True)
    packed = pack_sequence(
        [torch.randn(length, e, generator=seeded(seed), dtype=torch.float64) for length in lengths]
    )
    packed.data.requires_grad_()
    states, expected = final_states_on_cpu(gru, packed), final_states(gru, packed)
    torch.testing.assert_close(states, expected)
    # Each output has its own gradient.
    weights = torch.randn(states.shape, generator=seeded(seed), dtype=torch.float64)
    inputs = [packed.data, *gru.parameters()]
    gradients = [
        torch.autograd.grad((final * weights).sum(), inputs) for final in (states, expected)
    ]
    torch.testing.assert_close(*gradients)


@repeated
@given(seeds, st.lists(st.integers(0, 6), min_size=1, max_size=6), st.booleans())
def test_gru_encoder_equals_a_gru_that_reads_one_sentence_after_another(
    seed, lengths, bidirectional
):
    """Values and gradients, in any order of lengths. An empty sentence is one padding word."""
    encoder = build("gru", bidirectional=bidirectional, frozen=False, dropout=0.0).double()
    words = sentences(seed, lengths)
    features = encoder(words)
    expected = []
    for sentence, length in zip(words, lengths, strict=True):
        embedded = encoder.embedding(sentence[: max(length, 1)])
        expected.append(encoder.gru(embedded[:, None])[1].flatten())
    expected = torch.stack(expected)
    torch.testing.assert_close(features, expected)
    weights = torch.randn(features.shape, generator=seeded(seed), dtype=torch.float64)
    inputs = [*encoder.parameters()]
    gradients = [
        torch.autograd.grad((final * weights).sum(), inputs) for final in (features, expected)
    ]
    torch.testing.assert_close(*gradients)


@repeated
@given(seeds, st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_bag_of_words_equals_a_loop_over_words(seed, lengths):
    """An empty sentence has the zero vector as its mean."""
    encoder = in_eval("bag_of_words")
    words = sentences(seed, lengths)
    with torch.no_grad():
        features = encoder(words)
        for place, length in enumerate(lengths):
            total = torch.zeros(5)
            for word in words[place, :length].tolist():
                total += encoder.embedding.weight[word]
            torch.testing.assert_close(
                features[place], encoder.linear(total / max(length, 1)), rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("name", SENTENCE_ENCODERS)
@repeated
@given(st.data(), seeds, st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 4))
def test_padding_does_not_change_the_features_of_a_sentence(name, data, seed, lengths, padding):
    """The same sentence alone and unpadded, or beside longer ones."""
    encoder, words = in_eval(name), nn.functional.pad(sentences(seed, lengths), (0, padding))
    place = data.draw(st.integers(0, len(lengths) - 1))
    with torch.no_grad():
        alone = encoder(words[place : place + 1, : max(lengths[place], 1)])
        torch.testing.assert_close(encoder(words)[place], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SENTENCE_ENCODERS)
def test_frozen_word_vectors_get_no_gradient_and_stay_as_given(name):
    vectors = torch.randn(VOCABULARY, 5, generator=seeded(0))
    given_vectors = vectors.clone()
    encoder = build(name, vectors=vectors, frozen=True)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1)
    encoder(sentences(1, [5, 3])).square().sum().backward()
    optimizer.step()
    assert encoder.embedding.weight.grad is None
    assert torch.equal(encoder.embedding.weight[1:], given_vectors[1:])
    assert not encoder.embedding.weight[0].any()
    assert torch.equal(vectors, given_vectors)  # the caller's own are not written to


@pytest.mark.parametrize("name", SENTENCE_ENCODERS)
def test_trained_word_vectors_move_but_the_padding_stays_zero(name):
    vectors = torch.randn(VOCABULARY, 5, generator=seeded(0))
    given_vectors = vectors.clone()
    encoder = build(name, vectors=vectors, frozen=False, dropout=0.0)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1, weight_decay=0.0)
    # The short and the empty sentence read padding.
    words = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [0, 0, 0, 0]])
    encoder(words).square().sum().backward()
    gradient = encoder.embedding.weight.grad
    assert gradient[1:6].abs().amax(1).min() > 0
    assert not gradient[0].any() and not gradient[6:].any()
    optimizer.step()
    assert not encoder.embedding.weight[0].any()
    assert (encoder.embedding.weight[1:6] - given_vectors[1:6]).abs().amax(1).min() > 0.01
    assert torch.equal(vectors, given_vectors)


@pytest.mark.parametrize("name", SENTENCE_ENCODERS)
def test_dropout_acts_in_training_only(name):
    encoder, words = build(name, dropout=0.5), sentences(1, [5, 3, 4])
    with torch.no_grad():
        encoder.train()
        assert not torch.allclose(encoder(words), encoder(words))
        encoder.eval()
        assert torch.equal(encoder(words), encoder(words))


def test_gru_dimension_counts_both_directions():
    """An odd dimension is refused for two directions and right for one."""

    def gru(dimension: int, bidirectional: bool) -> GRUEncoder:
        return GRUEncoder(dimension, torch.zeros(3, 2), True, bidirectional, 0.0)

    with pytest.raises(ValueError, match="even"):
        gru(7, True)
    assert gru(7, False)(sentences(0, [3]) % 3).shape == (1, 7)
    assert gru(8, True)(sentences(0, [3]) % 3).shape == (1, 8)


@pytest.mark.parametrize("name", SENTENCE_ENCODERS)
def test_features_in_bfloat16_are_near_those_in_float32(name):
    """Under autocast, as the precision option of a run does it."""
    encoder, words = in_eval(name), sentences(1, [5, 3, 0, 4])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = encoder(words)
    with torch.no_grad():
        torch.testing.assert_close(rough.float(), encoder(words), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("model", "size", "tokens", "dimension"),
    [("resnet18", 64, 4, 512), ("vit_b_16", 224, 197, 768)],
)
def test_torchvision_models_give_what_their_last_layer_reads_and_their_tokens(
    model, size, tokens, dimension
):
    from torchvision.models import get_model

    torch.manual_seed(0)
    images = torch.randint(256, (2, 3, size, size), dtype=torch.uint8)
    encoder = TorchvisionModel(
        dimension=0,
        mean=[0.5] * 3,
        std=[0.25] * 3,
        model=model,
        weights="random",
        image_size=size,
    )
    encoder.eval()
    with torch.no_grad():
        features = encoder(images)
        assert features.shape == (2, dimension)
        assert encoder.tokens(images).shape == (2, tokens, dimension)
        if model == "resnet18":
            whole = get_model(model, weights=None)
            whole.load_state_dict(encoder.model.state_dict(), strict=False)
            whole.eval()
            scores = whole((images.float() / 255 - 0.5) / 0.25)
            torch.testing.assert_close(whole.fc(features), scores)
            torch.testing.assert_close(encoder.tokens(images).mean(1), features)


@pytest.mark.filterwarnings("error::FutureWarning:torchvision")
@pytest.mark.parametrize(("model", "size"), [("googlenet", 32), ("inception_v3", 75)])
def test_models_with_several_classifiers_give_features_in_training_too(model, size):
    """Torchvision gives a tuple there. No weight is left that training could not reach."""
    encoder = build("torchvision", model=model, image_size=size).train()
    features = encoder(images(0, 2))
    assert features.shape == (2, DIMENSION)
    features.square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


# Wrappers


def test_a_pair_of_encoders_gives_both_features_side_by_side():
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    points = torch.randn(5, 3)
    features = EncoderPair(first, second)(points)
    assert torch.equal(features[:, :2], first(points))
    assert torch.equal(features[:, 2:], second(points))


def test_unit_length_scales_features_and_leaves_zero_alone():
    features = UnitLength(nn.Identity())(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(features, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))

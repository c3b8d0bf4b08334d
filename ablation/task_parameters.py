"""Figure 4: what one task costs in parameters, by method and model, from formulas.

The paper prints the figure without its formulas; those here follow the papers that
it names, and what they leave open is an `Assumptions`, which a reader can set.

Notation: P prompt tokens, H model width, A attention width, L layers of a stack, N
parameters of the model, C classes. Counts are of parameters, shares in percent of N.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from statistics import fmean, pstdev

from ablation.parameter_count import trained_by_model_tuning, trained_by_prompt_tuning
from runners.model.family import Rung
from runners.model.sizes import T5Shape
from runners.rules import ConfigError, Problem, Rule, unknown_key, violations


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the formulas of Figure 4 leave open; whole numbers of 1 or more."""

    shortest: int = 1
    """Shortest prompt or prefix of a band (caption of Figure 4)."""
    longest: int = 100
    """Longest prompt or prefix of a band (caption of Figure 4)."""
    prefix_places: int = 2
    """Attentions of a layer pair that a prefix enters: 1 the encoder's, 2 both stacks' own,
    3 the cross-attention too. Inferred: 2 fits the '0.1-1%' of the text best, while the code
    of Li and Liang (2021) has 3."""
    reparameterisation: int = 512
    """Width of the layer behind a prefix in training (Li and Liang 2021; 800 for XSum)."""
    classes: int = 2
    """C, the outputs of WARP's verbalizer (Hambardzumyan et al. 2021)."""
    fewest_tokens: int = 500
    """Shortest hand-written prompt, each token one parameter (Lester et al. 2021, 4)."""
    most_tokens: int = 2000
    """Longest hand-written prompt."""
    bottleneck: int = 64
    """Width of an adapter (Houlsby et al. 2019)."""
    encoder_adapters: int = 2
    """Adapters of an encoder layer, one behind each sublayer."""
    decoder_adapters: int = 3
    """Adapters of a decoder layer, one behind each sublayer."""

    def __post_init__(self) -> None:
        assert self.shortest <= self.longest
        assert self.fewest_tokens <= self.most_tokens

    @property
    def lengths(self) -> range:
        """Every length of a band."""
        return range(self.shortest, self.longest + 1)

    def words(self) -> dict[str, str]:
        """The assumptions by name, as text."""
        return {name: str(value) for name, value in asdict(self).items()}


NAMES = tuple(field.name for field in fields(Assumptions))
_PAIRS = (("shortest", "longest"), ("fewest_tokens", "most_tokens"))


def read_assumptions(words: Iterable[str]) -> Assumptions:
    """Assumptions from `name=number` words; those not named stay as they are.

    Raises ConfigError with every word that is no such pair, every unknown name, every
    value that is no whole number of 1 or more, and every end of a band below its start.
    """
    values: dict[str, int] = {}
    problems: list[Problem] = []
    for word in words:
        name, _, text = word.partition("=")
        value = int(text) if text.isdecimal() else text
        if name not in NAMES:
            problems.append(unknown_key(name, NAMES))
            continue
        problems += violations(name, value, Rule(type=int, minimum=1))
        if isinstance(value, int):
            values[name] = value
    if not problems:
        known = {**asdict(Assumptions()), **values}
        problems += [
            Problem(
                key=high, value=known[high], rule=f"is below {low}, which is {known[low]}",
                remedy=f"give {high} of {known[low]} or more",
            )
            for low, high in _PAIRS if known[low] > known[high]
        ]  # fmt: skip
    if problems:
        raise ConfigError(problems)
    return replace(Assumptions(), **values)


def _prefix(rung: Rung, length: int, places: int) -> int:
    """A key and a value of width A for each position, layer and place."""
    shape = _shape(rung)
    return length * 2 * _layers(shape) * shape.heads * shape.d_kv * places


def prefix_at_inference(rung: Rung, given: Assumptions) -> list[float]:
    """Prefix tuning once its reparameterisation is dropped: P * 2 * L * A for each place."""
    return [_prefix(rung, length, given.prefix_places) for length in given.lengths]


def prefix_in_training(rung: Rung, given: Assumptions) -> list[float]:
    """Prefix tuning with its embedding [P, H] and two layers, H to m to 2 * L * A, per place."""
    shape, m = _shape(rung), given.reparameterisation
    out = 2 * _layers(shape) * shape.heads * shape.d_kv
    layers = rung.width * m + m + m * out + out
    return [given.prefix_places * (length * rung.width + layers) for length in given.lengths]


def adapters(rung: Rung, given: Assumptions) -> list[float]:
    """Down and up projections with biases, 2 * H * b + b + H each; no curve of the paper's."""
    shape, b = _shape(rung), given.bottleneck
    count = (
        given.encoder_adapters * shape.encoder_layers
        + given.decoder_adapters * shape.decoder_layers
    )
    return [count * (2 * rung.width * b + b + rung.width)]


def _warp(rung: Rung, given: Assumptions) -> list[float]:
    """A vector of width H for each prompt token in the input and each class in the output."""
    return [(length + given.classes) * rung.width for length in given.lengths]


def _prompt(rung: Rung, given: Assumptions) -> list[float]:
    return [trained_by_prompt_tuning(rung, length) for length in given.lengths]


Counts = Callable[[Rung, Assumptions], list[float]]


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One curve of the figure: its name, words, and count for every length of its band."""

    name: str
    label: str
    counts: Counts
    needs_shape: bool = False
    """Whether it depends on layers and heads, which only a T5 of known shape has here."""


TECHNIQUES: tuple[Technique, ...] = (
    Technique(
        name="model_tuning", label="Model tuning",
        counts=lambda rung, _: [trained_by_model_tuning(rung)],
    ),
    Technique(
        name="prefix_training", label="Prefix tuning (training)", counts=prefix_in_training,
        needs_shape=True,
    ),
    Technique(name="adapters", label="Adapters (ours)", counts=adapters, needs_shape=True),
    Technique(
        name="prefix_inference", label="Prefix tuning (inference)", counts=prefix_at_inference,
        needs_shape=True,
    ),
    Technique(name="warp", label="WARP", counts=_warp),
    Technique(name="prompt_tuning", label="Prompt tuning", counts=_prompt),
    Technique(
        name="prompt_design", label="Prompt design",
        counts=lambda _, given: [given.fewest_tokens, given.most_tokens],
    ),
)  # fmt: skip
"""The curves from the most parameters to the fewest, as at the larger sizes."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One technique on one model: mean and standard deviation over its band, of all lengths."""

    technique: str
    model_size: str
    model_parameters: int
    mean: float
    sd: float

    @property
    def share(self) -> float:
        """The mean in percent of N."""
        return 100 * self.mean / self.model_parameters

    @property
    def share_sd(self) -> float:
        """The standard deviation in percent of N."""
        return 100 * self.sd / self.model_parameters


def costs(rungs: Mapping[str, Rung], given: Assumptions) -> list[Cost]:
    """What each technique costs on each model; what needs a shape is left out without one."""
    return [
        Cost(
            technique=technique.name, model_size=size, model_parameters=rung.parameters,
            mean=fmean(counts), sd=pstdev(counts),
        )
        for technique in TECHNIQUES
        for size, rung in rungs.items()
        if rung.shape is not None or not technique.needs_shape
        for counts in [technique.counts(rung, given)]
    ]  # fmt: skip


def _shape(rung: Rung) -> T5Shape:
    assert rung.shape is not None
    return rung.shape


def _layers(shape: T5Shape) -> int:
    """L; a place is one attention of a pair of an encoder and a decoder layer."""
    return max(shape.encoder_layers, shape.decoder_layers)

"""Options into wishes: the units of people become those of the house, and what is no wish is refused."""

from __future__ import annotations

import pytest

from lepton_edge.cli import wish_options, wishes
from lepton_edge.core.calls import LinkChange, Wishes
from lepton_edge.core.errors import UsageError
from lepton_edge.core.messages import Deploy
from tests.docs.test_cli import COMMANDS
from tests.lepton_edge.cli.conftest import CommandLine


def test_nothing_given_wishes_nothing() -> None:
    assert wishes.read_wishes({}) == Wishes()


@pytest.mark.parametrize(
    ("given", "prices"),
    [
        ("throughput", {"throughput": 1.0}),
        ("latency=1,energy=0.2", {"latency": 1.0, "energy": 0.2}),
        ("latency, egress=3", {"latency": 1.0, "egress": 3e-6}),
    ],
)
def test_an_objective_is_one_or_a_sum_of_prices(given: str, prices: dict[str, float]) -> None:
    assert wishes.read_objective(given) == pytest.approx(prices)


@pytest.mark.parametrize(
    "given", ["speed", "latency=x", "latency=-1", "latency=0", "latency=1,latency=2", "=1", "", " , "]
)
def test_what_is_no_objective_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--objective"):
        wishes.read_objective(given)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("4096", 4096),
        ("256MB", 256_000_000),
        ("1.5 GB", 1_500_000_000),
        ("64MiB", 64 << 20),
        ("20kB", 20_000),
    ],
)
def test_a_size_may_have_a_unit(given: str, size: int) -> None:
    assert wishes.read_size("--memory", given) == size


@pytest.mark.parametrize("given", ["", "much", "3 TB", "-5MB", "1e9"])
def test_what_is_no_size_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        wishes.read_size("--memory", given)


@pytest.mark.parametrize(
    ("given", "link"),
    [
        ("5.85,25", LinkChange(731_250.0, 731_250.0, 0.025)),
        ("8,16,10", LinkChange(1e6, 2e6, 0.01)),
        ("8", LinkChange(1e6, 1e6)),
        ("8,0", LinkChange(1e6, 1e6, 0.0)),
    ],
)
def test_a_link_is_rates_and_a_delay_one_way(given: str, link: LinkChange) -> None:
    found = wishes.read_link(given)
    assert (found.up, found.down, found.delay) == pytest.approx((link.up, link.down, link.delay))


@pytest.mark.parametrize(
    "given", ["0,25", "fast", "1,0,5", "1,2,3,4", "-1", "1,nan", "inf,2", "1,,2", "1e-300", "1e300,1"]
)
def test_what_is_no_link_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--link"):
        wishes.read_link(given)


def test_a_speed_is_a_device_and_a_factor() -> None:
    assert wishes.read_speed("board*2") == ("board", 2.0)
    assert wishes.read_speed("my-pi*0.5") == ("my-pi", 0.5)
    for odd in ("board", "*2", "board*0", "board*-1", "board*fast", "board*1e300", "board*1e-300"):
        with pytest.raises(UsageError, match="--device"):
            wishes.read_speed(odd)


@pytest.mark.parametrize("size", ["9999999PB", "99999999GB", "9" * 400 + "GB"])
def test_a_size_beyond_every_disk_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="--max-egress"):
        wishes.read_size("--max-egress", size)


def test_every_wish_of_deploy_arrives_in_the_units_of_the_house(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=1, page="local", plan={})
    money = "--objective latency=1,energy=0.2 --min-throughput 5 --max-latency 40 --max-energy 2"
    limits = "--max-egress 20kB --max-loss 1.5 --no-measure --refresh --memory board=256MB --queue newest"
    stays = "--keep-output-on-board --stay a --stay b --first-layers 3"
    watts = "--watts board=5 --watts cloud=60 --watts radio=1.5"
    lacks = "--lacks board=Resize --lacks board=Odd --lacks cloud=TopK --variant board=net-int8"
    words = f"{money} {limits} {stays} {watts} {lacks}".split()
    said = line.run("deploy", "net", *words)
    assert said.code == 0, said.err
    (call,) = line.calls
    assert isinstance(call, Deploy)
    assert call.refresh
    assert call.queue == "newest"
    assert call.wishes == Wishes(
        latency=1.0,
        energy=0.2,
        min_throughput=5.0,
        max_latency=0.04,
        max_energy=2.0,
        max_egress=20_000.0,
        max_loss=0.015,
        keep_output=True,
        stay=("a", "b"),  # type: ignore[arg-type]
        first_layers=3,
        measure=False,
        board_memory=256_000_000,  # type: ignore[arg-type]
        board_watts=5.0,
        cloud_watts=60.0,
        radio_watts=1.5,
        board_lacks=("Resize", "Odd"),
        cloud_lacks=("TopK",),
        board_variant="net-int8",
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--lacks", "Resize"),
        ("--variant", "int8"),
        ("--watts", "5"),
        ("--watts", "gateway=5"),
        ("--watts", "board=hot"),
        ("--memory", "radio=1MB"),
        ("--max-latency", "-3"),
        ("--min-throughput", "nan"),
        ("--first-layers", "-1"),
        ("--objective", "fast"),
        ("--objective", ""),
        ("--max-loss", "101"),
        ("--max-latency", "0"),
        ("--max-latency", "1e12"),
        ("--min-throughput", "1e-300"),
        ("--max-energy", "0"),
        ("--max-egress", ""),
        ("--first-layers", "9000000"),
        ("--watts", "board=1e9"),
        ("--memory", "board=0"),
        ("--stay", ""),
        ("--lacks", "board="),
        ("--page", ""),
    ],
)
def test_a_wish_that_cannot_be_followed_names_its_option(line: CommandLine, words: tuple[str, ...]) -> None:
    said = line.run("deploy", "net", *words)
    assert (said.code, line.calls) == (2, [])
    assert words[0] in said.err


@pytest.mark.parametrize(
    ("option", "given", "hint"),
    [
        ("--max-loss", 101.0, "0 to 100 %, such as --max-loss 1"),
        ("--max-latency", 0.0, "0.001 to 100,000,000 ms, such as --max-latency 40"),
        (
            "--min-throughput",
            1e9,
            "0 to 1,000,000 requests a second, such as --min-throughput 5",
        ),
    ],
)
def test_a_refusal_tells_the_range_and_an_example(option: str, given: float, hint: str) -> None:
    name = option.removeprefix("--").replace("-", "_")
    with pytest.raises(UsageError, match=rf"^{option} cannot be ") as refused:
        wishes.read_wishes({name: given})
    assert refused.value.hint == f"give {hint}"


def test_what_if_takes_every_wish_that_deploy_takes() -> None:
    named = []
    for words in ("deploy", "plan what-if"):
        command = COMMANDS[words]
        named.append({one.name for one in command.params if one.name in wish_options.WISHES})
    assert named == [set(wish_options.WISHES)] * 2


def test_wishes_go_over_others_one_by_one_and_prices_together() -> None:
    base = Wishes(latency=1.0, energy=2.0, first_layers=3, max_loss=0.1)
    assert Wishes(egress=5.0, max_loss=0.0).over(base) == Wishes(egress=5.0, first_layers=3, max_loss=0.0)
    assert Wishes().over(base) == base

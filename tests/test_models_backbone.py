"""The backbone against what He et al. print, and what happens when ImageNet's weights cannot be had."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import warnings

import pytest
import torch
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models import backbone
from hand_lib.models.backbone import ResNet, load_imagenet
from hand_lib.models.counting import multiply_adds
from hand_lib.models.size import NetworkSize

# Blocks of the four groups and whether they are bottlenecks: Table 1 of He et al. (2016).
PUBLISHED = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


def published_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of torchvision's ResNet but the classifier's, written from the paper's table and not from our
    code."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, out: int, channels: int, side: int) -> None:
        shapes[f"{name}.weight"] = (out, channels, side, side)

    def normalisation(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    counts, bottleneck = PUBLISHED[depth]
    convolution("conv1", 64, 3, 7)
    normalisation("bn1", 64)
    channels = 64
    for group, count in enumerate(counts):
        planes = 64 << group
        out = 4 * planes if bottleneck else planes
        for i in range(count):
            name = f"layer{group + 1}.{i}"
            sides = (1, 3, 1) if bottleneck else (3, 3)
            widths = (channels, planes, planes, out) if bottleneck else (channels, planes, planes)
            for j, side in enumerate(sides):
                convolution(f"{name}.conv{j + 1}", widths[j + 1], widths[j], side)
                normalisation(f"{name}.bn{j + 1}", widths[j + 1])
            if i == 0 and channels != out:
                convolution(f"{name}.downsample.0", out, channels, 1)
                normalisation(f"{name}.downsample.1", out)
            channels = out
    return shapes


@pytest.mark.parametrize("depth", PUBLISHED)
def test_names_and_shapes_are_torchvisions(depth):
    with torch.device("meta"):
        net = ResNet(depth=depth)
    assert {name: tuple(value.shape) for name, value in net.state_dict().items()} == published_shapes(depth)


# Parameters and multiply-adds at 224 px that torchvision publishes, classifier included.
@pytest.mark.parametrize(
    ("depth", "params", "gmacs"),
    [
        (18, 11_689_512, 1.81),
        (34, 21_797_672, 3.66),
        (50, 25_557_032, 4.09),
        (101, 44_549_160, 7.80),
        (152, 60_192_808, 11.51),
    ],
)
def test_parameters_and_multiply_adds_are_the_published_ones(depth, params, gmacs):
    with torch.device("meta"):
        net = ResNet(depth=depth).eval()
        classifier = nn.Linear(net.channels, 1000)
        macs = multiply_adds(net, torch.empty(1, 3, 224, 224)) + 1000 * net.channels
    assert sum(p.numel() for p in (*net.parameters(), *classifier.parameters())) == params
    assert round(macs / 1e9, 2) == gmacs


def test_weights_load_strictly_and_the_classifier_is_left_out():
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.rand(shape, generator=generator) for name, shape in published_shapes(18).items()}
    net = ResNet()
    net.load_weights(weights | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)})
    for name, value in net.state_dict().items():
        assert torch.equal(value, weights[name].to(value.dtype)), name

    with pytest.raises(HandLibError, match=r"ResNet-18 of width 64.*conv1\.weight"):
        net.load_weights({name: value for name, value in weights.items() if name != "conv1.weight"})
    with pytest.raises(HandLibError, match="width 32"):
        ResNet(width=32).load_weights(weights)


def test_old_weights_without_batch_counts_load_too():
    net = ResNet(width=8)
    net.load_weights({k: v for k, v in ResNet(width=8).state_dict().items() if "num_batches" not in k})


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (50, 4)])
@pytest.mark.parametrize("stem_stride", [2, 4])
@pytest.mark.parametrize("final_stride", [1, 2])
def test_maps_have_the_stated_shapes_on_non_square_pictures(depth, expansion, stem_stride, final_stride):
    net = ResNet(depth=depth, width=8, stem_stride=stem_stride, final_stride=final_stride).eval()
    middle, last = net.middle_and_last(torch.rand(2, 3, 64, 96))
    h, w = 16 // stem_stride, 24 // stem_stride
    assert middle.shape == (2, 32 * expansion, h, w) == (2, net.middle_channels, h, w)
    assert last.shape == (2, 64 * expansion, h // final_stride, w // final_stride)
    assert last.shape[1] == net.channels
    torch.testing.assert_close(net(torch.ones(1, 3, 64, 96)), net.middle_and_last(torch.ones(1, 3, 64, 96))[1])


def test_strides_have_no_weights_of_their_own():
    ResNet(width=8, stem_stride=2, final_stride=1).load_weights(ResNet(width=8, final_stride=2).state_dict())


@pytest.mark.parametrize(
    "size",
    [
        NetworkSize(image_size=64, width=8, final_stride=1),
        NetworkSize(image_size=64, width=8, stem_stride=2, final_stride=1),
        NetworkSize(image_size=96, width=8, stem_stride=2),
    ],
)
def test_a_cell_looks_at_the_pixel_of_its_number_times_the_stride(size):
    """The gradient of a cell with respect to a picture lies round that pixel, on both maps, off the diagonal."""
    torch.manual_seed(0)
    net = size.backbone().eval()
    image = torch.rand(1, 3, 640, 768, generator=torch.Generator().manual_seed(1)).requires_grad_()
    for maps, stride in zip(net.middle_and_last(image), (size.middle_stride, size.stride), strict=True):
        row, column = 256 // stride, 384 // stride
        (gradient,) = torch.autograd.grad(maps[0, :, row, column].sum(), image, retain_graph=True)
        weight = gradient[0].square().sum(0)
        looks_v = (weight.sum(1) * torch.arange(640)).sum() / weight.sum()
        looks_u = (weight.sum(0) * torch.arange(768)).sum() / weight.sum()
        assert abs(looks_v - stride * row) < 0.3 * stride and abs(looks_u - stride * column) < 0.3 * stride


def test_pictures_are_normalised_inside_once():
    net = ResNet(width=8).eval()
    mean_picture = torch.tensor(backbone.IMAGENET_MEAN).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    seen = []
    net.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(mean_picture)
    net(mean_picture + torch.tensor(backbone.IMAGENET_STD).view(3, 1, 1))
    assert seen[0].abs().max() < 1e-6
    torch.testing.assert_close(seen[1], torch.ones_like(seen[1]))
    assert not {"mean", "std"} & set(net.state_dict())


def test_a_shift_by_the_stride_moves_the_maps_by_one_cell():
    net = ResNet(width=8).eval()
    x = torch.zeros(1, 3, 320, 320)
    x[..., 144:176, 112:144] = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    shifted = x.roll((32, 64), dims=(2, 3))  # down by one cell, right by two
    middle, _ = net.middle_and_last(x)
    moved, _ = net.middle_and_last(shifted)
    # Away from the border, whose padding reaches inwards by the receptive field (about 13 cells of F⁰ across).
    torch.testing.assert_close(middle[..., 8:11, 8:9], moved[..., 10:13, 12:13])
    assert (middle[..., 8:11, 8:9] - moved[..., 8:11, 8:9]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "argument", [{"depth": 20}, {"final_stride": 3}, {"stem_stride": 1}, {"width": 0}, {"width": 7}]
)
def test_what_is_no_resnet_is_refused_in_one_line(argument):
    with pytest.raises(HandLibError) as error:
        ResNet(**argument)
    assert "\n" not in str(error.value) and str(next(iter(argument.values()))) in str(error.value)


# --- ImageNet weights ------------------------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A server on this machine with one published file, and the way to damage it."""
    weights = {"conv1.weight": torch.arange(6.0).view(2, 3)}
    torch.save(weights, tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(backbone.IMAGENET_FILES, 18, name)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests.append(self.path)
            if self.path != f"/models/{name}":
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.requests = content, []
        server.address = f"http://127.0.0.1:{server.server_port}/models/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def load(server, folder):
    return load_imagenet(18, folder=folder, address=server.address)


def test_weights_are_fetched_once_and_kept(published, tmp_path):
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert load(published, folder)["conv1.weight"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert len(published.requests) == 1
    assert [path.name for path in folder.iterdir()] == [backbone.IMAGENET_FILES[18]]


def test_a_damaged_file_in_the_cache_is_fetched_again(published, tmp_path):
    path = tmp_path / backbone.IMAGENET_FILES[18]
    path.write_bytes(published.content[:-7])
    assert load(published, tmp_path) is not None
    assert path.read_bytes() == published.content


@pytest.mark.parametrize("damage", [lambda content: content[:-1] + b"?", lambda content: content[: len(content) // 2]])
def test_a_damaged_download_is_not_kept(published, tmp_path, damage):
    published.content = damage(published.content)
    folder = tmp_path / "weights"
    with pytest.warns(UserWarning, match="damaged") as caught:
        assert load(published, folder) is None
    assert "\n" not in str(caught[0].message) and list(folder.iterdir()) == []


def test_without_a_network_one_warning_and_random_weights(tmp_path):
    with socket.socket() as closed:  # bound and not listening: a connection is refused
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.warns(UserWarning, match=r"no ImageNet weights .*random") as caught:
            assert load_imagenet(50, folder=tmp_path, address=address) is None
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_or_a_folder_that_cannot_be_made_is_a_warning_too(published, tmp_path):
    with pytest.warns(UserWarning, match="404"):
        assert load_imagenet(34, folder=tmp_path, address=published.address) is None
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="file"):
        assert load(published, tmp_path / "file") is None


def test_an_unknown_depth_is_refused(tmp_path):
    with warnings.catch_warnings(), pytest.raises(HandLibError, match="20"):
        warnings.simplefilter("error")
        load_imagenet(20, folder=tmp_path)

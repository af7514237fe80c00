"""Quantised checkpoints as each library stores them. A library that is not there is left out, with a word on standard error."""

import json
import os
import sys
import tempfile
import unittest.mock

import torch

# What calibrates is not needed here.
for absent in ["datasets"]:
    try:
        __import__(absent)
    except ImportError:
        sys.modules[absent] = unittest.mock.MagicMock()


def compressed_tensors(tiny, saved, line):
    import compressed_tensors as ct
    from compressed_tensors import ModelCompressor
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config

    by = f"compressed-tensors {ct.__version__}"
    number = dict(num_bits=4, type="int", symmetric=True, strategy="group", group_size=128)
    eight = dict(num_bits=8, type="float", symmetric=True)
    dynamic = dict(eight, strategy="token", dynamic=True)
    four = dict(num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16, scale_dtype="torch.float8_e4m3fn")
    schemes = {
        "w4a16": ("pack-quantized", number, None),
        "w4a16-asym": ("pack-quantized", dict(number, symmetric=False), None),
        "w8a16-channel": ("pack-quantized", dict(number, num_bits=8, strategy="channel", group_size=None), None),
        "w3a16": ("pack-quantized", dict(number, num_bits=3, group_size=64), None),
        "w8a8": ("int-quantized", dict(num_bits=8, type="int", symmetric=True, strategy="channel"),
                 dict(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)),
        "fp8-dynamic": ("float-quantized", dict(eight, strategy="channel"), dynamic),
        "fp8": ("float-quantized", dict(eight, strategy="tensor"), dict(eight, strategy="tensor")),
        "fp8-block": ("float-quantized", dict(eight, strategy="block", block_structure=[128, 128]),
                      dict(eight, strategy="group", group_size=128, dynamic=True)),
        "nvfp4": ("nvfp4-pack-quantized", four, dict(four, dynamic="local")),
        "nvfp4a16": ("nvfp4-pack-quantized", four, None),
        "mxfp4": ("mxfp4-pack-quantized", dict(num_bits=4, type="float", symmetric=True, strategy="group", group_size=32,
                                               scale_dtype="torch.uint8", zp_dtype="torch.uint8"), None),
    }
    for name, (form, weights, inputs) in schemes.items():
        try:
            model = tiny("llama")
            group = {"targets": ["Linear"], "weights": weights, **({"input_activations": inputs} if inputs else {})}
            config = QuantizationConfig(config_groups={"group_0": group}, format=form, ignore=["lm_head"],
                                        quantization_status="frozen")
            apply_quantization_config(model, config)
            for module in model.modules():
                if hasattr(module, "weight_scale"):
                    module.weight_scale.data.fill_(1)
            compressor = ModelCompressor.from_pretrained_model(model, form)
            compressor.compress_model(model)
            with tempfile.TemporaryDirectory() as folder:
                from safetensors.torch import save_file
                state = {key: value.contiguous() for key, value in model.state_dict().items()}
                save_file(state, os.path.join(folder, "model.safetensors"))
                model.config.save_pretrained(folder)
                compressor.update_config(folder)
                from checkpoints import header
                line(f"compressed-tensors-{name}", by, json.load(open(os.path.join(folder, "config.json"))),
                     header(os.path.join(folder, "model.safetensors")))
        except Exception as error:
            print(f"compressed-tensors {name}: {type(error).__name__} {error}", file=sys.stderr)


def layers_of(model):
    """The linear layers inside blocks, with their parents."""
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            parent, _, own = name.rpartition(".")
            yield model.get_submodule(parent), own, module


def replaced(name, by, model, make, block, line, state=None):
    """A model whose linear layers are the library's own modules, in files as its state has them."""
    from safetensors.torch import save_file

    from checkpoints import header
    for parent, own, module in layers_of(model):
        setattr(parent, own, make(module))
    with tempfile.TemporaryDirectory() as folder:
        tensors = state(model) if state else model.state_dict()
        path = os.path.join(folder, "model.safetensors")
        save_file({key: value.contiguous().clone() for key, value in tensors.items() if torch.is_tensor(value)}, path)
        model.config.save_pretrained(folder)
        config = json.load(open(os.path.join(folder, "config.json")))
        line(name, by, {**config, "quantization_config": block}, header(path))


def finegrained_fp8(tiny, saved, line):
    import transformers
    from transformers.integrations.finegrained_fp8 import FP8Linear
    by = f"transformers {transformers.__version__}"
    for name, size in {"fp8-block": [128, 128], "fp8-tensor": None}.items():
        def make(module, size=size):
            return FP8Linear(module.in_features, module.out_features, block_size=size, activation_scheme="dynamic")
        block = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": size, "modules_to_not_convert": ["lm_head"]}
        replaced(name, by, tiny("llama"), make, block, line)


def bitnet(tiny, saved, line):
    import transformers
    from transformers.integrations.bitnet import BitLinear
    by = f"transformers {transformers.__version__}"

    def make(module):
        return BitLinear(module.in_features, module.out_features, bias=False, dtype=torch.bfloat16)
    block = {"quant_method": "bitnet", "modules_to_not_convert": ["lm_head"], "quantization_mode": "offline"}
    replaced("bitnet", by, tiny("llama"), make, block, line)


def aqlm(tiny, saved, line):
    import importlib.metadata

    from aqlm import QuantizedLinear
    for books, bits in [(1, 16), (2, 8)]:
        def make(module, books=books, bits=bits):
            return QuantizedLinear(module.in_features, module.out_features, 8, 1, books, bits, bias=False, dtype=torch.float16)
        block = {"quant_method": "aqlm", "in_group_size": 8, "out_group_size": 1, "num_codebooks": books, "nbits_per_codebook": bits,
                 "linear_weights_not_to_quantize": ["lm_head.weight"]}
        replaced(f"aqlm-{books}x{bits}", f"aqlm {importlib.metadata.version('aqlm')}", tiny("llama"), make, block, line)


def auto_round(tiny, saved, line):
    import importlib.metadata

    from auto_round_extension.torch.qlinear_torch import QuantLinear
    by = f"auto-round {importlib.metadata.version('auto-round')}"
    for bits, ordered in [(4, True), (4, False), (2, True), (3, False)]:
        def make(module, bits=bits, ordered=ordered):
            return QuantLinear(bits, 128, module.in_features, module.out_features, False, g_idx=ordered)
        packing = "auto_round:auto_gptq" if ordered else "auto_round:gptqmodel"
        block = {"quant_method": "auto-round", "bits": bits, "group_size": 128, "sym": True, "packing_format": packing,
                 "data_type": "int", "block_name_to_quantize": "model.layers"}
        replaced(f"auto-round-{bits}{'' if ordered else '-gptqmodel'}", by, tiny("llama"), make, block, line)
        if ordered:
            block = {"quant_method": "gptq", "bits": bits, "group_size": 128, "desc_act": True, "sym": True}
            replaced(f"gptq-{bits}-actorder", by, tiny("llama"), make, block, line)


def awq(tiny, saved, line):
    import importlib.metadata

    from auto_round.export.export_to_awq.utils import WQLinear_GEMM

    def make(module):
        return WQLinear_GEMM(4, 128, module.in_features, module.out_features, False, "cpu")
    block = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True, "modules_to_not_convert": None}
    replaced("awq", f"auto-round {importlib.metadata.version('auto-round')}", tiny("llama"), make, block, line)


def hqq(tiny, saved, line):
    import importlib.metadata

    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
    for bits, group in [(4, 64)]:
        def make(module, bits=bits, group=group):
            config = BaseQuantizeConfig(nbits=bits, group_size=group, axis=1)
            return HQQLinear(module, config, compute_dtype=torch.bfloat16, device="cpu", del_orig=False)

        def state(model):
            # As transformers writes them: what is no tensor becomes one.
            tensors = {}
            for key, value in model.state_dict().items():
                tensors[key] = value if torch.is_tensor(value) else value
            return tensors
        block = {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": bits, "group_size": group, "axis": 1,
                 "channel_wise": True, "optimize": True, "round_zero": bits == 4, "view_as_float": False}}, "skip_modules": ["lm_head"]}
        replaced(f"hqq-{bits}", f"hqq {importlib.metadata.version('hqq')}", tiny("llama"), make, block, line, state)


def bitsandbytes(tiny, saved, line):
    import bitsandbytes as bnb
    for double in [False, True]:
        def make(module, double=double):
            quantised = bnb.nn.Linear4bit(module.in_features, module.out_features, bias=False, quant_type="nf4", compress_statistics=double,
                                          compute_dtype=torch.bfloat16)
            quantised.weight = bnb.nn.Params4bit(module.weight.data.clone(), requires_grad=False, quant_type="nf4",
                                                 compress_statistics=double)
            return quantised.to("cpu")
        block = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": double,
                 "llm_int8_skip_modules": ["lm_head"]}
        replaced(f"bitsandbytes-nf4{'-double' if double else ''}", f"bitsandbytes {bnb.__version__}", tiny("llama"), make, block, line)


def torchao(tiny, saved, line):
    import torchao
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
    from torchao.quantization import (Float8WeightOnlyConfig, Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_)

    from checkpoints import header
    from safetensors.torch import save_file
    for name, config in {"int8": Int8WeightOnlyConfig(), "fp8": Float8WeightOnlyConfig(), "int4": Int4WeightOnlyConfig(group_size=128)}.items():
        try:
            model = tiny("llama")
            quantize_(model, config, filter_fn=lambda module, name: isinstance(module, torch.nn.Linear) and name != "lm_head")
            tensors, about = flatten_tensor_state_dict(model.state_dict())
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.safetensors")
                save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path, about)
                model.config.save_pretrained(folder)
                keys = json.load(open(os.path.join(folder, "config.json")))
                block = {"quant_method": "torchao", "quant_type": {"default": {"_type": type(config).__name__, "_data": {"group_size": 128}
                         if name == "int4" else {}}}, "modules_to_not_convert": ["lm_head"]}
                line(f"torchao-{name}", f"torchao {torchao.__version__}", {**keys, "quantization_config": block}, header(path))
        except Exception as error:
            print(f"torchao {name}: {type(error).__name__} {error}", file=sys.stderr)


def mlx(tiny, saved, line):
    import importlib.metadata

    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten
    from mlx_lm.models import llama

    from checkpoints import SMALL, header
    keys = {**SMALL, "num_hidden_layers": 1, "model_type": "llama", "rms_norm_eps": 1e-6, "tie_word_embeddings": False}
    modes = {"4": (64, 4, "affine"), "3": (32, 3, "affine"), "8": (64, 8, "affine"), "mxfp4": (32, 4, "mxfp4"), "nvfp4": (16, 4, "nvfp4"),
             "mxfp8": (32, 8, "mxfp8"), "mixed": (64, 4, "affine")}
    for name, (group, bits, mode) in modes.items():
        try:
            model = llama.Model(llama.ModelArgs.from_dict(keys))
            model.set_dtype(mx.bfloat16)
            block = {"group_size": group, "bits": bits, "mode": mode}

            def chosen(path, module):
                if not hasattr(module, "to_quantized"):
                    return False
                if name == "mixed" and ("v_proj" in path or "lm_head" in path):
                    block[path] = {"group_size": 64, "bits": 6}
                    return {"group_size": 64, "bits": 6, "mode": "affine"}
                return True
            nn.quantize(model, group, bits, mode=mode, class_predicate=chosen)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.safetensors")
                mx.save_safetensors(path, dict(tree_flatten(model.parameters())))
                line(f"mlx-{name}", f"mlx {importlib.metadata.version('mlx')}", {**keys, "quantization": block, "quantization_config": block},
                     header(path))
        except Exception as error:
            print(f"mlx {name}: {type(error).__name__} {error}", file=sys.stderr)


LIBRARIES = [compressed_tensors, finegrained_fp8, bitnet, aqlm, auto_round, awq, hqq, bitsandbytes, torchao, mlx]


def main(tiny, saved, line):
    only = os.environ.get("ONLY", "").split()
    for library in LIBRARIES:
        if only and library.__name__ not in only:
            continue
        try:
            # One layer says it all.
            library(lambda kind: tiny(kind, num_hidden_layers=1), saved, line)
        except Exception as error:
            print(f"{library.__name__}: {type(error).__name__} {error}", file=sys.stderr)

// One oneDNN matmul C[m×n] = A[m×k] · B[k×n], timed: the bar for our matmul ceilings. Needs only the standard library and dnnl.
//
//   onednn f32|bf16|f16|i8 M N K SECONDS   →   GFLOP/s BEST MEDIAN IMPLEMENTATION   (2 operations per multiply-accumulate, of passes of
//   onednn version                             ≥ 10 ms; the implementation names the instruction set, AMX and FP16 among them)
//
// f32 × f32 → f32, bf16 × bf16 → f32, f16 × f16 → f32, u8 × s8 → s32. B is packed beforehand in the layout that oneDNN asks for
// (format_tag::any, then a reorder). With M = 1 the weights are rotated over several packed copies, 512 MiB together, so
// that they come from DRAM as a model's do. Threads: OMP_NUM_THREADS. A few elements are checked against a scalar loop.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

using dnnl::memory;
using Clock = std::chrono::steady_clock;

static const double PASS_SECONDS = 0.010;
static const size_t DRAM_BYTES = size_t(512) << 20;

// The upper half of a float: bf16, truncated.
static uint16_t to_bf16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return uint16_t(bits >> 16);
}

static float from_bf16(uint16_t half) {
    uint32_t bits = uint32_t(half) << 16;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

static float from_half(uint16_t half);

// Element i of an operand of type `type`, as a number.
static double element(const memory &tensor, memory::data_type type, size_t i) {
    const void *data = tensor.get_data_handle();
    switch (type) {
    case memory::data_type::f32: return static_cast<const float *>(data)[i];
    case memory::data_type::bf16: return from_bf16(static_cast<const uint16_t *>(data)[i]);
    case memory::data_type::f16: return from_half(static_cast<const uint16_t *>(data)[i]);
    case memory::data_type::u8: return static_cast<const uint8_t *>(data)[i];
    case memory::data_type::s8: return static_cast<const int8_t *>(data)[i];
    default: return static_cast<const int32_t *>(data)[i];
    }
}

// A number of magnitude 1/8 to 1 as a binary16: random sign and mantissa below one of three exponents.
static uint16_t half_of(uint32_t bits) {
    return uint16_t((bits & 0x83ff) | (12 + (bits >> 16) % 3) << 10);
}

static float from_half(uint16_t half) {
    // Normal numbers only.
    uint32_t bits = uint32_t(half & 0x8000) << 16 | ((uint32_t(half & 0x7fff) << 13) + (112u << 23));
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

static void fill(const memory &tensor, memory::data_type type, size_t count, unsigned seed) {
    std::mt19937 random(seed);
    void *data = tensor.get_data_handle();
    for (size_t i = 0; i < count; i++) {
        float x = float(random()) / 2147483648.0f - 1.0f;
        switch (type) {
        case memory::data_type::f32: static_cast<float *>(data)[i] = x; break;
        case memory::data_type::bf16: static_cast<uint16_t *>(data)[i] = to_bf16(x); break;
        case memory::data_type::f16: static_cast<uint16_t *>(data)[i] = half_of(uint32_t(random())); break;
        case memory::data_type::u8: static_cast<uint8_t *>(data)[i] = uint8_t(random()); break;
        default: static_cast<int8_t *>(data)[i] = int8_t(random()); break;
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && !std::strcmp(argv[1], "version")) {
        const dnnl::version_t *version = dnnl::version();
        std::printf("%d.%d.%d\n", version->major, version->minor, version->patch);
        return 0;
    }
    if (argc != 6) {
        std::fprintf(stderr, "usage: onednn f32|bf16|f16|i8 M N K SECONDS\n");
        return 2;
    }
    const std::string dtype = argv[1];
    const long m = std::atol(argv[2]), n = std::atol(argv[3]), k = std::atol(argv[4]);
    const double seconds = std::atof(argv[5]);
    auto a_type = memory::data_type::f32, b_type = a_type, c_type = a_type;
    if (dtype == "bf16") {
        a_type = b_type = memory::data_type::bf16;
    } else if (dtype == "f16") {
        a_type = b_type = memory::data_type::f16;
    } else if (dtype == "i8") {
        a_type = memory::data_type::u8, b_type = memory::data_type::s8, c_type = memory::data_type::s32;
    } else if (dtype != "f32") {
        std::fprintf(stderr, "onednn: no such type: %s\n", dtype.c_str());
        return 2;
    }
    if (m < 1 || n < 1 || k < 1 || !(seconds > 0)) {
        std::fprintf(stderr, "onednn: sizes and seconds must be positive\n");
        return 2;
    }

    dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    memory::desc a_desc({m, k}, a_type, memory::format_tag::ab), c_desc({m, n}, c_type, memory::format_tag::ab);
    memory::desc plain_desc({k, n}, b_type, memory::format_tag::ab), any_desc({k, n}, b_type, memory::format_tag::any);
    dnnl::matmul::primitive_desc description(engine, a_desc, any_desc, c_desc);
    dnnl::matmul matmul(description);
    memory a(a_desc, engine), c(c_desc, engine), plain(plain_desc, engine);
    fill(a, a_type, size_t(m * k), 1);
    fill(plain, b_type, size_t(k * n), 2);

    const size_t packed_bytes = description.weights_desc().get_size();
    const size_t copies = m == 1 ? DRAM_BYTES / packed_bytes + 2 : 1;
    std::vector<memory> packed;
    for (size_t i = 0; i < copies; i++) {
        packed.emplace_back(description.weights_desc(), engine);
        dnnl::reorder(plain, packed.back()).execute(stream, plain, packed.back());
    }
    stream.wait();

    size_t next = 0;
    auto pass = [&](long executions) {
        auto begun = Clock::now();
        for (long i = 0; i < executions; i++) {
            matmul.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, packed[next]}, {DNNL_ARG_DST, c}});
            next = (next + 1) % copies;
        }
        stream.wait();
        return std::chrono::duration<double>(Clock::now() - begun).count();
    };
    pass(1);
    const long executions = std::max(1L, long(std::ceil(PASS_SECONDS / pass(1))));
    std::vector<double> rates;
    auto begun = Clock::now();
    do {
        rates.push_back(2.0 * m * n * k * executions / pass(executions) / 1e9);
    } while (std::chrono::duration<double>(Clock::now() - begun).count() < seconds);

    for (size_t probe = 0; probe < 8; probe++) {
        const size_t row = probe * 7919 % m, column = probe * 104729 % n;
        double expected = 0, size = 0;
        for (long i = 0; i < k; i++) {
            double product = element(a, a_type, row * k + i) * element(plain, b_type, i * n + column);
            expected += product, size += std::fabs(product);
        }
        const double got = element(c, c_type, row * n + column);
        if (std::fabs(got - expected) > (c_type == memory::data_type::s32 ? 0.0 : 1e-5 * size)) {
            std::fprintf(stderr, "onednn: element %zu,%zu is %g, and should be %g\n", row, column, got, expected);
            return 1;
        }
    }
    std::sort(rates.begin(), rates.end());
    const size_t half = rates.size() / 2;
    const double median = rates.size() % 2 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
    std::printf("GFLOP/s %.2f %.2f %s\n", rates.back(), median, description.impl_info_str());
}

// What CUDA reaches on this card, one line each: "ID VALUE UNIT". A read and a copy of memory, matmuls by cuBLAS, transfers from and to
// pinned memory. Built and run by benches/gpu-hardware.sh; best of several tries.
#include <cublas_v2.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

#define CHECK(call)                                                       \
    do {                                                                  \
        if (int code = int(call)) {                                       \
            std::fprintf(stderr, "%s: error %d\n", #call, code);          \
            std::exit(1);                                                 \
        }                                                                 \
    } while (0)

__global__ void fill(unsigned *x, size_t n) {
    size_t step = size_t(gridDim.x) * blockDim.x;
    for (size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) x[i] = unsigned(i) * 2654435761u;
}

__global__ void read(const uint4 *x, size_t n, unsigned *out) {
    size_t step = size_t(gridDim.x) * blockDim.x;
    unsigned sum = 0;
#pragma unroll 8
    for (size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
        uint4 v = x[i];
        sum += v.x + v.y + v.z + v.w;
    }
    // Never true as a rule, and no compiler knows it.
    if (sum == 0x12345678u) *out = sum;
}

// The least milliseconds of a few tries.
template <class F> float best(F work) {
    cudaEvent_t begin, end;
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    float least = 1e30f;
    for (int i = 0; i < 12; i++) {
        float ms;
        CHECK(cudaEventRecord(begin));
        work();
        CHECK(cudaEventRecord(end));
        CHECK(cudaEventSynchronize(end));
        CHECK(cudaEventElapsedTime(&ms, begin, end));
        if (i > 1 && ms < least) least = ms;
    }
    CHECK(cudaGetLastError());
    return least;
}

int main() {
    const size_t bytes = size_t(1) << 30;
    unsigned *x, *y, *out;
    CHECK(cudaMalloc(&x, bytes));
    CHECK(cudaMalloc(&y, bytes));
    CHECK(cudaMalloc(&out, 4));
    fill<<<4096, 256>>>(x, bytes / 4);
    fill<<<4096, 256>>>(y, bytes / 4);
    float ms = best([&] { read<<<2048, 512>>>(reinterpret_cast<uint4 *>(x), bytes / 16, out); });
    std::printf("memory.vram.read %.1f GB/s\n", bytes / ms / 1e6);
    ms = best([&] { CHECK(cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice)); });
    std::printf("transfer.d2d %.1f GB/s\n", 2.0 * bytes / ms / 1e6);

    void *host;
    const size_t part = size_t(64) << 20;
    CHECK(cudaMallocHost(&host, part));
    ms = best([&] { CHECK(cudaMemcpyAsync(x, host, part, cudaMemcpyHostToDevice)); });
    std::printf("transfer.h2d %.1f GB/s\n", part / ms / 1e6);
    ms = best([&] { CHECK(cudaMemcpyAsync(host, x, part, cudaMemcpyDeviceToHost)); });
    std::printf("transfer.d2h %.1f GB/s\n", part / ms / 1e6);

    // C (16384 x 512, by columns) = B (16384 x 4096) A (4096 x 512), as matmul.*.m512 on a card of its own. All of it fits in the two
    // buffers; every byte is 0x2c, so that numbers are small.
    CHECK(cudaMemset(x, 0x2c, bytes));
    CHECK(cudaMemset(y, 0x2c, bytes));
    cublasHandle_t blas;
    CHECK(cublasCreate(&blas));
    const int n = 16384, m = 512, k = 4096;
    const float one = 1, zero = 0;
    const double flops = 2.0 * n * m * k;
    float *c = reinterpret_cast<float *>(y) + size_t(m) * k;
    ms = best([&] {
        CHECK(cublasSgemm(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, reinterpret_cast<float *>(x), k, reinterpret_cast<float *>(y), k,
                          &zero, c, n));
    });
    std::printf("matmul.f32.m512 %.1f GFLOP/s\n", flops / ms / 1e6);
    ms = best([&] {
        CHECK(cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, x, CUDA_R_16F, k, y, CUDA_R_16F, k, &zero, c, CUDA_R_32F, n,
                           CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    });
    std::printf("matmul.f16.m512 %.1f GFLOP/s\n", flops / ms / 1e6);
    return 0;
}

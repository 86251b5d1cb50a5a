// Causal grouped-query attention and its gradient for short heads, scores in powers of two.
//
// A head of 8 or 16 elements leaves a matrix product nothing to do; here a query meets eight keys at a time, keys and
// values being held element by element: [head_dim][positions / 8] of vectors. Arrays are [B, T, heads, head_dim].
#include <cstdint>
#include <vector>

namespace {

constexpr int LANES = 8;
typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Int __attribute__((vector_size(4 * LANES)));

inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }

inline float sum_of(Vec x) {
    float sum = 0.0f;
    for (int i = 0; i < LANES; ++i) sum += x[i];
    return sum;
}

// 2**x for x <= 0: a polynomial on [-1/2, 1/2], the whole part added to the exponent. Relative error 3e-7.
inline Vec power(Vec x) {
    x = larger(x, Vec{} - 126.0f);
    const Int whole = __builtin_convertvector(x - 0.5f, Int);
    const Vec f = x - __builtin_convertvector(whole, Vec);
    Vec y = f * 1.5403530e-4f + 1.3333558e-3f;
    y = y * f + 9.6181291e-3f;
    y = y * f + 5.5504109e-2f;
    y = y * f + 2.4022651e-1f;
    y = y * f + 6.9314718e-1f;
    y = y * f + 1.0f;
    return y * (Vec)((whole + 127) << 23);
}

template <int D>
struct Head {
    int64_t time, size;  // positions, and vectors of them
    std::vector<Vec> k, v, dk, dv, p;

    explicit Head(int64_t t)
        : time(t), size((t + LANES - 1) / LANES), k(D * size), v(D * size), dk(D * size), dv(D * size), p(size) {}

    void load(std::vector<Vec>& to, const float* from, int64_t stride) const {
        for (int64_t j = 0; j < time; ++j)
            for (int d = 0; d < D; ++d) to[j / LANES * D + d][j % LANES] = from[j * stride + d];
    }

    void store(const std::vector<Vec>& from, float* to, int64_t stride) const {
        for (int64_t j = 0; j < time; ++j)
            for (int d = 0; d < D; ++d) to[j * stride + d] = from[j / LANES * D + d][j % LANES];
    }

    static Vec product(const float* a, const Vec* rows) {
        Vec sum = a[0] * rows[0];
        for (int d = 1; d < D; ++d) sum += a[d] * rows[d];
        return sum;
    }

    // p = 2**(score - largest) of the keys at and before `position`, unnormalised; returns their sum
    float exponentials(const float* q, int64_t position) {
        const int64_t count = position / LANES + 1;
        const Vec hidden = Vec{} - 1e30f;
        Vec largest = hidden;
        for (int64_t j = 0; j < count; ++j) {
            p[j] = product(q, &k[j * D]);
            if (j == count - 1)
                for (int i = position % LANES + 1; i < LANES; ++i) p[j][i] = -1e30f;
            largest = larger(largest, p[j]);
        }
        float top = largest[0];
        for (int i = 1; i < LANES; ++i) top = top > largest[i] ? top : largest[i];
        Vec sum{};
        for (int64_t j = 0; j < count; ++j) sum += p[j] = power(p[j] - top);
        return sum_of(sum);
    }

    void forward(const float* q, int64_t position, float* out) {
        const float whole = 1.0f / exponentials(q, position);
        Vec total[D] = {};
        for (int64_t j = 0; j <= position / LANES; ++j)
            for (int d = 0; d < D; ++d) total[d] += p[j] * v[j * D + d];
        for (int d = 0; d < D; ++d) out[d] = sum_of(total[d]) * whole;
    }

    void backward(const float* q, const float* grad, const float* out, int64_t position, float* dq) {
        const float whole = 1.0f / exponentials(q, position), ln2 = 0.69314718f;
        float delta = 0.0f;
        for (int d = 0; d < D; ++d) delta += grad[d] * out[d];
        Vec total[D] = {};
        for (int64_t j = 0; j <= position / LANES; ++j) {
            const Vec w = p[j] * whole, slope = w * (product(grad, &v[j * D]) - delta) * ln2;
            for (int d = 0; d < D; ++d) {
                total[d] += slope * k[j * D + d];
                dk[j * D + d] += slope * q[d];
                dv[j * D + d] += w * grad[d];
            }
        }
        for (int d = 0; d < D; ++d) dq[d] = sum_of(total[d]);
    }
};

template <int D>
void run(const float* q, const float* k, const float* v, const float* grad, float* out, float* dq, float* dk,
         float* dv, int64_t batch, int64_t time, int64_t heads, int64_t kv_heads) {
    const int64_t group = heads / kv_heads, wide = heads * D, narrow = kv_heads * D;
#pragma omp parallel for schedule(static)
    for (int64_t one = 0; one < batch * kv_heads; ++one) {
        const int64_t b = one / kv_heads, h = one % kv_heads, at = b * time * narrow + h * D;
        Head<D> head(time);
        head.load(head.k, k + at, narrow);
        head.load(head.v, v + at, narrow);
        for (int64_t g = 0; g < group; ++g)
            for (int64_t i = 0; i < time; ++i) {
                const int64_t place = (b * time + i) * wide + (h * group + g) * D;
                if (grad)
                    head.backward(q + place, grad + place, out + place, i, dq + place);
                else
                    head.forward(q + place, i, out + place);
            }
        if (grad) {
            head.store(head.dk, dk + at, narrow);
            head.store(head.dv, dv + at, narrow);
        }
    }
}

}  // namespace

// Without `grad`: writes the contexts `out`. With it: reads them, and writes the gradients. 1 where head_dim is not built.
extern "C" int attention(const float* q, const float* k, const float* v, const float* grad, float* out, float* dq,
                         float* dk, float* dv, int64_t batch, int64_t time, int64_t heads, int64_t kv_heads,
                         int64_t head_dim) {
    switch (head_dim) {
        case 8: run<8>(q, k, v, grad, out, dq, dk, dv, batch, time, heads, kv_heads); return 0;
        case 16: run<16>(q, k, v, grad, out, dq, dk, dv, batch, time, heads, kv_heads); return 0;
        default: return 1;
    }
}

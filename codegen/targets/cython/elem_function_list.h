/* Every function of derive/functions.py with its number there, by how many arguments it has; included by each element
 * that wants the list, with these macros defined (a test compares it with that file):
 *   BF_PLAIN_OF_n    comparisons and at most two roundings, in elem_plain.h
 *   BF_SMOOTH_OF_n   on vectors of doubles, in elem_core.h
 *   BF_NARROW_OF_n   the same for double; for float on vectors of floats, in elem_narrow.h
 *   BF_WIDE_OF_n     the same for float; for double one lane at a time, in elem_wide.h
 *   BF_SCALAR_OF_n   one lane at a time for both, in elem_wide.h
 *   BF_INVERSE, BF_UNKNOWN
 */
BF_SMOOTH_OF_1(bce_weight, 1)
BF_SMOOTH_OF_2(elu, 2)
BF_SMOOTH_OF_2(elu_prime, 3)
BF_NARROW_OF_1(exp, 4)
BF_UNKNOWN(f, 5)
BF_UNKNOWN(f_prime, 6)
BF_WIDE_OF_1(gelu, 7)
BF_WIDE_OF_1(gelu_prime, 8)
BF_WIDE_OF_1(gelu_tanh, 9)
BF_WIDE_OF_1(gelu_tanh_prime, 10)
BF_PLAIN_OF_3(hardtanh, 11)
BF_PLAIN_OF_3(hardtanh_prime, 12)
BF_PLAIN_OF_2(leaky_relu, 13)
BF_PLAIN_OF_2(leaky_relu_prime, 14)
BF_SMOOTH_OF_1(log, 15)
BF_SMOOTH_OF_1(log_clamped, 16)
BF_SMOOTH_OF_1(log_rest_clamped, 17)
BF_SMOOTH_OF_1(log_sigmoid, 18)
BF_SCALAR_OF_2(power, 19)
BF_SCALAR_OF_2(power_prime, 20)
BF_INVERSE(recip, 21)
BF_PLAIN_OF_1(relu, 22)
BF_PLAIN_OF_1(relu_prime, 23)
BF_SCALAR_OF_2(root, 24)
BF_SCALAR_OF_2(root_prime, 25)
BF_PLAIN_OF_1(rsqrt, 26)
BF_SMOOTH_OF_1(sigmoid, 27)
BF_SMOOTH_OF_1(sigmoid_prime, 28)
BF_SMOOTH_OF_1(silu, 29)
BF_WIDE_OF_1(silu_prime, 30)
BF_WIDE_OF_3(softplus, 31)
BF_WIDE_OF_3(softplus_prime, 32)
BF_SMOOTH_OF_1(tanh, 33)
BF_SMOOTH_OF_1(tanh_prime, 34)

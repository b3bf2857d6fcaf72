# 1 "main.c"
# 1 "h.h" 1
typedef __seg_gs int foo = 1, __attribute__((w)) bar = { 1, {2}, ( a ) };
typedef extern register union a *__attribute__((q)) (*restrict L) asm("x"), __attribute__((w)) ,(enum L (*)(int), union E1 { int a : 3; } *const (__attribute__((z)) t2), ...)[], E0;
static struct __attribute__((packed)) L { union s1 { enum s1 b(int restrict (__attribute__((z)) t1)); t2 s1 : 3; } __attribute__((x)) L : 3; union __attribute__((packed)) foo { __extension__ struct a *const *__attribute__((q)) L __attribute__((packed)); enum b { , } ; } a __attribute__((packed)); } __attribute__((x)) *__attribute__((q)) L = { 1, {2}, ( a ) };
static enum foo { E3 = 4, s1 } inline(__builtin_va_list (*X)(), __seg_gs int []) { return a; { } "x}" }
= ~ + void == restrict foo
__extension__ typedef static inline extern union s1 t2 = { 1, {2}, ( a ) }, (t2)[][sizeof(a[1])];
extern char *const *__attribute__((q)) *const t1(t2 *) asm("x") __attribute__((y)) = 4, E1(struct t2 { typeof((a)) E0; } ) asm("x") __attribute__((y)) = 4;
__GENKSYMS_EXPORT_SYMBOL(bar);
{
extern inline enum foo E0 asm("x");

# 74887 "h.h"

__GENKSYMS_EXPORT_SYMBOL(a);
__GENKSYMS_EXPORT_SYMBOL(b);
__GENKSYMS_EXPORT_SYMBOL(foo);
__GENKSYMS_EXPORT_SYMBOL(t1);
__GENKSYMS_EXPORT_SYMBOL(t2);
__GENKSYMS_EXPORT_SYMBOL(s1);
__GENKSYMS_EXPORT_SYMBOL(E0);
__GENKSYMS_EXPORT_SYMBOL(E1);
__GENKSYMS_EXPORT_SYMBOL(L);
__GENKSYMS_EXPORT_SYMBOL(u8);

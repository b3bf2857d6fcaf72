# 1 "main.c"
typedef unsigned long t1; typedef struct { int q; } t2;
extern struct __attribute__((packed)) L { struct __attribute__((packed)) E1 { union t2 u8[]; t1 (*__attribute__((q)) t1[]); union L t2; } ; __int128 ; __attribute__((unused)) struct __attribute__((packed))  { __int128 (__attribute__((z)) s1[]) __attribute__((packed)), E1; } __attribute__((x)) X : 3; } E0(extern register t1 , enum X __attribute__((aligned(8))) ) asm("x") __attribute__((y)) = 4, __attribute__((w)) *const (__attribute__((z)) * s1)(struct bar []) asm("x"), t2 __attribute__((section("y")));
__extension__ typedef __typeof__(*b) E0 = 1;
int8x16_t *const (__attribute__((z)) (__attribute__((z)) L(int restrict s1, __seg_gs int [])))[10](struct bar (*E0)(), struct __attribute__((packed)) L { struct  {  } t1; void ; } (*u8)(int8x16_t *restrict a(unsigned long (*b)(int), const t1 *, u8 )[]), union foo { struct b L __attribute__((packed)); typedef struct t2 ; } *);
typedef extern static inline u8 __attribute__((aligned(8))) X[sizeof(a[1])] = 1;
static struct X X __attribute__((y)) = f(1,2);
__GENKSYMS_EXPORT_SYMBOL(bar);
__GENKSYMS_EXPORT_SYMBOL(a);
__GENKSYMS_EXPORT_SYMBOL(b);
__GENKSYMS_EXPORT_SYMBOL(foo);
__GENKSYMS_EXPORT_SYMBOL(t1);
__GENKSYMS_EXPORT_SYMBOL(t2);
__GENKSYMS_EXPORT_SYMBOL(s1);
__GENKSYMS_EXPORT_SYMBOL(E1);
__GENKSYMS_EXPORT_SYMBOL(X);
__GENKSYMS_EXPORT_SYMBOL(L);
__GENKSYMS_EXPORT_SYMBOL(u8);

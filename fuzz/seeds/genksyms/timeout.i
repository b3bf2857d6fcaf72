# 1 "main.c"
# 1 "h.h" 1
union foo { enum t2 E0 : 3; __builtin_va_list ; } __attribute__((x)) s1(union s1 (*)(int), register __attribute__((unused)) _Bool __attribute__((aligned(8))) *__attribute__((q)) [10]) { static <<= long % "a\"b" _Bool }
inline union E0 { __builtin_va_list : 4; char ; __builtin_va_list : 4; } (b[10])();
_Static_assert(sizeof(int) == 4, "x;");
asm("nop");
static struct X bar __attribute__((section("y")));
static t1 foo(struct t2 *, __extension__ void (*)(int))[10](enum u8 *, static inline static u8 *, __extension__ volatile inline __int128 (*)(int)) { __typeof_unqual__ const typeof && inline E1 auto += }
struct L { inline struct __attribute__((packed)) s1 { enum t1 { a, b = E0 + (1,2) } ; __attribute__((unused)) char (__attribute__((z)) u8[sizeof(a[1])]) __attribute__((packed)); } __attribute__((x)) ; void : 4; union a : 4, b; enum t2 X : 3; };
union E1 foo[10]() asm("x") __attribute__((y)) = 4, u8(enum u8 { bar = 4, s1 = 4, E1, } *, struct s1 E0, t2) asm("x") __attribute__((y)) = 4;
__GENKSYMS_EXPORT_SYMBOL(bar);
__GENKSYMS_EXPORT_SYMBOL(X);
struct X { struct X E1 __attribute__((packed)); enum L { X = 4, E0 = E0 + (1,2), b = sizeof(struct {int a;}), t2 = 4, } __attribute__((aligned(8))) : 4; register enum t2 { , } (__attribute__((z)) [E0][10]) __attribute__((packed)); };
__GENKSYMS_EXPORT_SYMBOL(b);
__GENKSYMS_EXPORT_SYMBOL(foo);
__GENKSYMS_EXPORT_SYMBOL(bar);
__GENKSYMS_EXPORT_SYMBOL(t1);
__GENKSYMS_EXPORT_SYMBOL(s1);
__GENKSYMS_EXPORT_SYMBOL(E0);
__GENKSYMS_EXPORT_SYMBOL(X);
__GENKSYMS_EXPORT_SYMBOL(L);
__GENKSYMS_EXPORT_SYMBOL(u8);

# 1 "x.c"
typedef unsigned long size_t; typedef struct list { struct list *next, *prev; } list_t;
enum e { A, B = A + 2, C = sizeof(int) << 3, };
struct s { int a:3; union { char c[4]; long l; }; enum e e; void (*f)(struct s *, const list_t *, ...); } __attribute__((__packed__));
extern struct s *fn(int, size_t n, enum e) __attribute__((__noreturn__));
static inline int g(void) { return ({ int x = 1; x; }); }
_Static_assert(sizeof(int) == 4, "x");
__typeof__(fn) h; unsigned __int128 big; _Bool b;
__asm__("nop"); extern int (*table[3])(void), other;
__GENKSYMS_EXPORT_SYMBOL(fn)
__GENKSYMS_EXPORT_SYMBOL(table); 
%%
e#e enum e { A , B = A + 2 }
s#s override struct s { UNKNOWN }
fn extern s#s * fn ( int , unsigned long , e#e )

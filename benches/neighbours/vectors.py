"""hnswlib, faiss and usearch on the vectors that the example `measure` of crates/vector reads; one thread.

pip install numpy hnswlib faiss-cpu usearch; python vectors.py VECTORS DIMENSIONS [COUNT [NAMES]]"""
import os, sys, time
import numpy as np
path, dim, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
only = sys.argv[4].split(',') if len(sys.argv) > 4 else ['hnswlib','faiss','usearch']
x = np.fromfile(path, '<f4').reshape(-1, dim)
base, ins, q = x[:n], x[n:n+1000], x[n+1000:n+2000]
truth = np.empty((len(q), 10), int)
for a in range(0, len(q), 100):
    truth[a:a+100] = np.argsort(-(q[a:a+100] @ base.T), axis=1)[:, :10]
def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4096 / 2**20
def report(name, search, param):
    ids = [search(q[i:i+1], param) for i in range(len(q))]
    rec = np.mean([len(set(a) & set(b)) for a, b in zip(truth, ids)]) / 10
    best = (9e9, 9e9)
    for _ in range(3):
        t = []
        for i in range(len(q)):
            s = time.perf_counter(); search(q[i:i+1], param); t.append(time.perf_counter() - s)
        t.sort(); best = (min(best[0], t[len(t)//2]), min(best[1], t[len(t)*99//100]))
    print(f'{name} ef {param}: recall@10 {rec:.4f}, p50 {best[0]*1e3:.4f} ms, p99 {best[1]*1e3:.4f} ms', flush=True)
if 'hnswlib' in only:
    import hnswlib
    r = rss(); h = hnswlib.Index(space='ip', dim=dim); h.init_index(max_elements=n+1000, ef_construction=200, M=16); h.set_num_threads(1)
    s = time.process_time(); h.add_items(base, num_threads=1); print(f'hnswlib build {time.process_time()-s:.0f} s, {rss()-r:.0f} MiB')
    def f(v, ef): h.set_ef(ef); return h.knn_query(v, k=10, num_threads=1)[0][0]
    for ef in (32, 48, 96, 128): report('hnswlib', f, ef)
    s = time.perf_counter(); h.add_items(ins, num_threads=1); print(f'hnswlib insert 1K {1e3*(time.perf_counter()-s):.0f} ms')
if 'faiss' in only:
    import faiss
    faiss.omp_set_num_threads(1)
    r = rss(); f_ = faiss.IndexHNSWFlat(dim, 16, faiss.METRIC_INNER_PRODUCT); f_.hnsw.efConstruction = 200
    s = time.process_time(); f_.add(base); print(f'faiss build {time.process_time()-s:.0f} s, {rss()-r:.0f} MiB')
    def f(v, ef): f_.hnsw.efSearch = ef; return f_.search(v, 10)[1][0]
    for ef in (32, 48, 96, 128): report('faiss', f, ef)
    s = time.perf_counter(); f_.add(ins); print(f'faiss insert 1K {1e3*(time.perf_counter()-s):.0f} ms')
if 'usearch' in only:
    from usearch.index import Index
    r = rss(); u = Index(ndim=dim, metric='ip', dtype='f32', connectivity=16, expansion_add=200)
    s = time.process_time(); u.add(np.arange(n), base, threads=1); print(f'usearch build {time.process_time()-s:.0f} s, {rss()-r:.0f} MiB')
    def f(v, ef): u.expansion_search = ef; return u.search(v[0], 10, threads=1).keys
    for ef in (32, 64, 128): report('usearch', f, ef)
    s = time.perf_counter(); u.add(np.arange(n, n+1000), ins, threads=1); print(f'usearch insert 1K {1e3*(time.perf_counter()-s):.0f} ms')
    saved = path + '.usearch'; u.save(saved)
    s = time.perf_counter(); v = Index(ndim=dim, metric='ip', dtype='f32', connectivity=16); v.view(saved); v.search(q[0], 10); print(f'usearch open mapped and first query {1e3*(time.perf_counter()-s):.1f} ms')

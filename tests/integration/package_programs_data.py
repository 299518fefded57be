"""Programs that try the packages for numbers, tables and models."""

from __future__ import annotations

from package_lab import native, pure

# -- arrays and numbers ------------------------------------------------------------------------------------------------

NUMBERS = [
    native("numpy", """
        import numpy as np
        # cos(3x) + sin(5x)/2 over a full turn of 64 points: lines at 3 (real) and at 5 (imaginary), nothing else.
        x = 2 * np.pi * np.arange(64) / 64
        spectrum = np.fft.rfft(np.cos(3 * x) + 0.5 * np.sin(5 * x)) / 32
        lines = np.flatnonzero(abs(spectrum) > 1e-12)
        [lines.tolist(), spectrum[3].real.round(12), spectrum[5].imag.round(12), len(spectrum)]
        """, [[3, 5], 1.0, -0.5, 33]),
    native("numpy", """
        import numpy as np
        # The second difference of n points has the eigenvalues 2 - 2 cos(k pi / (n + 1)): for 5 these.
        matrix = 2 * np.eye(5) - np.eye(5, k=1) - np.eye(5, k=-1)
        values, vectors = np.linalg.eigh(matrix)
        known = 2 - 2 * np.cos(np.arange(1, 6) * np.pi / 6)
        [bool(np.allclose(values, known)), bool(np.allclose(vectors @ np.diag(values) @ vectors.T, matrix)),
         round(float(np.linalg.det(matrix)), 9), np.linalg.eigvals([[0, -1], [1, 0]]).imag.round(9).tolist()]
        """, [True, True, 6.0, [1.0, -1.0]]),
    native("numpy", """
        import numpy as np
        # From NumPy's documentation: the same on every machine.
        np.save('/tmp/a.npy', np.random.default_rng(0).random(3))
        np.load('/tmp/a.npy').tolist()
        """, [0.6369616873214543, 0.2697867137638703, 0.04097352393619469]),
    native("scipy", """
        from scipy.optimize import brentq, linprog, minimize, rosen
        least = minimize(rosen, [-1.2, 1.0], method='BFGS', options={'gtol': 1e-8})
        # max 3x + 2y where x + y <= 4, x + 3y <= 6, x <= 3: the corner (3, 1).
        plan = linprog([-3, -2], A_ub=[[1, 1], [1, 3]], b_ub=[4, 6], bounds=[(0, 3), (0, None)])
        [least.x.round(4).tolist(), plan.x.round(9).tolist(), round(plan.fun, 9),
         round(brentq(lambda x: x**2 - 2, 0, 2), 9)]
        """, [[1.0, 1.0], [3.0, 1.0], -11.0, 1.414213562]),
    native("scipy", """
        import math
        from scipy.integrate import quad, solve_ivp
        from scipy.special import gamma, jv
        bell, _ = quad(lambda x: math.exp(-x * x), -math.inf, math.inf)
        decay = solve_ivp(lambda t, y: -y, (0, 1), [1.0], rtol=1e-10, atol=1e-12).y[0, -1]
        [round(bell**2 - math.pi, 9), round(decay - math.exp(-1), 8), gamma(5),
         round(float(jv(0, 2.404825557695773)), 12)]
        """, [0.0, 0.0, 24.0, 0.0]),
    native("scipy", """
        from scipy import stats
        # Student's sleep data, from 1908: t = -4.0621 with 9 degrees of freedom, p = 0.002833.
        first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
        second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
        test = stats.ttest_rel(first, second)
        [round(test.statistic, 4), round(test.pvalue, 6), round(stats.norm.ppf(0.975), 6),
         stats.binom.pmf(2, 4, 0.5).round(9), round(stats.spearmanr([1, 2, 3], [3, 2, 1]).statistic, 9)]
        """, [-4.0621, 0.002833, 1.959964, 0.375, -1.0]),
    native("scipy", """
        import numpy as np
        from scipy import sparse
        from scipy.sparse.csgraph import dijkstra
        from scipy.sparse.linalg import eigsh, spsolve
        # u'' = -2 with zero ends is x (1 - x), and so are its differences.
        n = 99
        laplace = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n), format='csc') * 100**2
        x = np.arange(1, n + 1) / 100
        u = spsolve(laplace, np.full(n, 2.0))
        lowest = eigsh(laplace, k=1, sigma=0, return_eigenvectors=False)[0]
        graph = sparse.csr_array([[0, 7, 2], [0, 0, 0], [0, 3, 0]])
        [bool(np.allclose(u, x * (1 - x))), round(lowest - 4 * 100**2 * np.sin(np.pi / 200)**2, 6), laplace.nnz,
         dijkstra(graph, indices=0).tolist()]
        """, [True, 0.0, 295, [0.0, 5.0, 2.0]]),
    native("scipy", """
        import numpy as np
        from scipy import cluster, fft, interpolate, linalg, ndimage, signal, spatial
        turn = linalg.expm(np.array([[0, -np.pi / 2], [np.pi / 2, 0]]))
        line = np.arange(6.0)
        [turn.round(9).tolist(), fft.idct(fft.dct(line)).round(9).tolist() == line.tolist(),
         interpolate.CubicSpline(line, line**3)(2.5).round(9), ndimage.label([[1, 0, 1]])[1],
         signal.find_peaks([0, 2, 0, 3, 0])[0].tolist(),
         spatial.ConvexHull([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]]).volume,
         int(spatial.KDTree([[0, 0], [3, 4]]).query([3, 3])[1]),
         len(set(cluster.hierarchy.fclusterdata([[0], [1], [9]], 5, 'distance')))]
        """, [[[0.0, -1.0], [1.0, 0.0]], True, 15.625, 2, [1, 3], 4.0, 1, 2]),
    pure("mpmath", """
        import mpmath
        mpmath.mp.dps = 40
        [str(mpmath.pi), bool(abs(mpmath.zeta(2) - mpmath.pi**2 / 6) < 1e-38),
         mpmath.nstr(mpmath.quad(mpmath.exp, [0, 1]), 20)]
        """, ["3.141592653589793238462643383279502884197", True, "1.7182818284590452354"]),
    pure("sympy", """
        import sympy
        x = sympy.symbols('x')
        [str(sympy.integrate(sympy.exp(-x**2), (x, -sympy.oo, sympy.oo))), str(sympy.factor(x**4 - 1)),
         [str(root) for root in sympy.solve(x**2 - x - 1)], sympy.factorint(2**32 + 1)[641]]
        """, ["sqrt(pi)", "(x - 1)*(x + 1)*(x**2 + 1)", ["1/2 - sqrt(5)/2", "1/2 + sqrt(5)/2"], 1]),
    pure("networkx", """
        import networkx as nx
        graph = nx.Graph()
        graph.add_weighted_edges_from([('a', 'b', 7), ('a', 'c', 2), ('c', 'b', 3), ('b', 'd', 1)])
        [nx.shortest_path(graph, 'a', 'd', weight='weight'), nx.shortest_path_length(graph, 'a', 'd', weight='weight'),
         nx.minimum_spanning_tree(graph).size('weight'), nx.diameter(nx.petersen_graph())]
        """, [["a", "c", "b", "d"], 6, 6.0, 2]),
    native("networkx", """
        import networkx as nx
        # A ring has no favourite; this one goes through scipy's sparse matrices.
        sorted({round(rank, 9) for rank in nx.pagerank(nx.cycle_graph(8)).values()})
        """, [0.125]),
]  # fmt: skip


# -- tables and models -------------------------------------------------------------------------------------------------

TABLES = [
    native("pandas", """
        import pandas as pd
        frame = pd.DataFrame({'place': ['a', 'b', 'a', 'b'], 'amount': [1.5, 2.0, 4.5, 6.0], 'n': [1, 2, 3, 4]})
        by = frame.groupby('place').agg(mean=('amount', 'mean'), most=('n', 'max'))
        wide = frame.pivot_table(index='place', columns='n', values='amount', fill_value=0)
        [by.to_dict('index'), wide.shape, frame.merge(by, on='place')['mean'].tolist(), frame['amount'].quantile(0.5)]
        """, [{"a": {"mean": 3.0, "most": 3}, "b": {"mean": 4.0, "most": 4}}, [2, 4], [3.0, 4.0, 3.0, 4.0], 3.25]),
    native("pandas", """
        import pandas as pd
        frame = pd.DataFrame({'day': pd.date_range('2024-02-28', periods=3), 'name': ['é', 'a,b', '"q"']})
        frame['x'] = [1.5, None, 1e300]
        frame.to_csv('/tmp/a.csv', index=False)
        back = pd.read_csv('/tmp/a.csv', parse_dates=['day'])
        pd.testing.assert_frame_equal(frame, back, check_dtype=False)
        [str(back['day'].iloc[-1].date()), back['name'].tolist(), int(back['x'].isna().sum()),
         back.set_index('day')['x'].resample('MS').count().tolist()]
        """, ["2024-03-01", ["é", "a,b", '"q"'], 1, [1, 1]]),
    native("pandas", """
        import pandas as pd
        frame = pd.DataFrame({'word': ['one', 'zwei', 'três'], 'n': [1, 2, 3], 'x': [0.5, 1.25, -4.0]})
        for engine in ('openpyxl', 'xlsxwriter'):
            with pd.ExcelWriter(f'/tmp/{engine}.xlsx', engine=engine) as writer:
                frame.to_excel(writer, sheet_name='first', index=False)
                frame.describe().to_excel(writer, sheet_name='second')
            book = pd.read_excel(f'/tmp/{engine}.xlsx', sheet_name=None)
            pd.testing.assert_frame_equal(book['first'], frame)
        [sorted(book), float(book['second'].set_index('Unnamed: 0').loc['max', 'x'])]
        """, [["first", "second"], 1.25]),
    native("pandas", """
        import io, sqlite3
        import pandas as pd
        base = sqlite3.connect(':memory:')
        pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}).to_sql('t', base, index=False)
        page = '<table><tr><th>a<th>b<tr><td>1<td>2</table>'
        [pd.read_sql('select k, sum(v) s from t group by k', base).to_dict('list'),
         pd.read_html(io.StringIO(page), flavor='lxml')[0].to_dict('list'),
         pd.read_html(io.StringIO(page), flavor='bs4')[0].to_dict('list'),
         pd.read_xml(io.StringIO('<d><r><a>1</a></r></d>'))['a'].tolist(),
         pd.DataFrame({'a': [1]}).style.to_html().count('<td')]
        """, [{"k": ["a", "b"], "s": [4, 2]}, {"a": [1], "b": [2]}, {"a": [1], "b": [2]}, [1], 1]),
    native("statsmodels", """
        import numpy as np
        import statsmodels.api as sm
        # Noise that is orthogonal to the columns leaves the coefficients exactly as they were put in.
        x = np.arange(8.0)
        columns = sm.add_constant(np.column_stack([x, x**2]))
        noise = np.random.default_rng(1).normal(size=8)
        noise -= columns @ np.linalg.lstsq(columns, noise)[0]
        fit = sm.OLS(columns @ [1.0, 2.0, -0.5] + noise, columns).fit()
        [fit.params.round(9).tolist(), fit.df_resid, round(fit.ssr - float(noise @ noise), 9),
         'R-squared' in str(fit.summary())]
        """, [[1.0, 2.0, -0.5], 5.0, 0.0, True]),
    native("statsmodels", """
        import pandas as pd
        import statsmodels.formula.api as smf
        # A two-by-two table: the log odds ratio is log(30 * 40 / (10 * 20)) = log 6.
        table = pd.DataFrame({'sick': [1] * 30 + [0] * 10 + [1] * 20 + [0] * 40, 'smokes': [1] * 40 + [0] * 60})
        fit = smf.logit('sick ~ smokes', table).fit(disp=0)
        fit.params.round(6).to_dict()
        """, {"Intercept": -0.693147, "smokes": 1.791759}),
    native("scikit-learn", """
        from sklearn.datasets import load_diabetes
        from sklearn.linear_model import LinearRegression
        # The coefficient of determination that scikit-learn's own pages give for the whole set.
        x, y = load_diabetes(return_X_y=True)
        model = LinearRegression().fit(x, y)
        [x.shape, round(model.score(x, y), 4), round(model.intercept_, 3), round(y.mean(), 3)]
        """, [[442, 10], 0.5177, 152.133, 152.133]),
    native("scikit-learn", """
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import confusion_matrix
        from sklearn.model_selection import cross_val_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.tree import DecisionTreeClassifier
        x, y = load_iris(return_X_y=True)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        scores = cross_val_score(model, x, y, cv=5)
        seen = confusion_matrix(y, DecisionTreeClassifier(random_state=0).fit(x, y).predict(x))
        [bool(scores.mean() > 0.94), seen.tolist(), y.shape]
        """, [True, [[50, 0, 0], [0, 50, 0], [0, 0, 50]], [150]]),
    native("scikit-learn", """
        import numpy as np
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.ensemble import RandomForestRegressor
        # Two heaps far apart, along the diagonal.
        points = np.array([[0, 0], [0, 1], [1, 0], [10, 10], [10, 11], [11, 10]], dtype=float)
        heaps = KMeans(2, n_init=5, random_state=0).fit(points)
        direction = abs(PCA(1).fit(points).components_[0])
        forest = RandomForestRegressor(10, bootstrap=False, random_state=0).fit(points, points.sum(axis=1))
        [sorted(heaps.cluster_centers_.round(6).tolist()), direction.round(6).tolist(),
         forest.predict([[10, 10]]).tolist()]
        """, [[[0.333333, 0.333333], [10.333333, 10.333333]], [0.707107, 0.707107], [20.0]]),
    native("patsy", """
        from patsy import dmatrices
        y, x = dmatrices('y ~ x + C(k)', {'y': [1, 2, 3], 'x': [1.0, 2.0, 4.0], 'k': ['a', 'b', 'a']})
        [x.design_info.column_names, x.tolist(), y.ravel().tolist()]
        """, [["Intercept", "C(k)[T.b]", "x"], [[1, 0, 1], [1, 1, 2], [1, 0, 4]], [1, 2, 3]]),
    native("formulaic", """
        import pandas as pd
        from formulaic import model_matrix
        table = pd.DataFrame({'y': [1, 2, 3], 'x': [1.0, 2.0, 4.0], 'k': ['a', 'b', 'a']})
        made = model_matrix('y ~ x + k + x:k', table)
        [list(made.rhs.columns), made.rhs.to_numpy().tolist(), made.lhs['y'].tolist()]
        """, [["Intercept", "x", "k[T.b]", "x:k[T.b]"], [[1, 1, 0, 0], [1, 2, 1, 2], [1, 4, 0, 0]], [1, 2, 3]]),
    native("narwhals", """
        import narwhals as nw, pandas as pd
        frame = nw.from_native(pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}))
        frame.group_by('k').agg(nw.col('v').sum()).sort('k').to_dict(as_series=False)
        """, {"k": ["a", "b"], "v": [4, 2]}),
    pure("narwhals", """
        import narwhals as nw
        schema = nw.Schema({'a': nw.Int64(), 'b': nw.String()})
        [schema.names(), [kind.is_numeric() for kind in schema.dtypes()]]
        """, [["a", "b"], [True, False]]),
    pure("openpyxl", """
        from openpyxl import Workbook, load_workbook
        book = Workbook()
        book.active.append(['n', 1, 2.5])
        book.active['D1'] = '=SUM(B1:C1)'
        book.save('/tmp/a.xlsx')
        [[cell.value for cell in row] for row in load_workbook('/tmp/a.xlsx').active]
        """, [["n", 1, 2.5, "=SUM(B1:C1)"]]),
    pure("et-xmlfile", """
        import io
        from xml.etree.ElementTree import Element
        from et_xmlfile import xmlfile
        out = io.BytesIO()
        with xmlfile(out) as file, file.element('root'):
            for n in range(2):
                file.write(Element('n', value=str(n)))
        out.getvalue().decode()
        """, '<root><n value="0" /><n value="1" /></root>'),
    pure("xlsxwriter", """
        import xlsxwriter
        from openpyxl import load_workbook
        with xlsxwriter.Workbook('/tmp/a.xlsx') as book:
            sheet = book.add_worksheet('here')
            sheet.write_row('A1', ['é', 1.5, True])
            chart = book.add_chart({'type': 'column'})
            chart.add_series({'values': '=here!$B$1:$B$1'})
            sheet.insert_chart('D1', chart)
        back = load_workbook('/tmp/a.xlsx')
        [back.sheetnames, [cell.value for cell in back['here'][1]][:3], len(back['here']._charts)]
        """, [["here"], ["é", 1.5, True], 1]),
    pure("xlrd", """
        import struct, xlrd
        # A worksheet of Excel 2: begin, a number, a label, end. Each record is its type, its length and its bytes.
        record = lambda kind, *parts: struct.pack('<HH', kind, len(b''.join(parts))) + b''.join(parts)
        sheet = (record(0x0009, struct.pack('<HH', 2, 0x10))
                 + record(0x0003, struct.pack('<HH3xd', 0, 0, 2.5))
                 + record(0x0004, struct.pack('<HH3xB', 0, 1, 4), b'four') + record(0x000A))
        xlrd.open_workbook(file_contents=sheet).sheet_by_index(0).row_values(0)
        """, [2.5, "four"]),
]  # fmt: skip

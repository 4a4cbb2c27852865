//! A parsed template, rebuilt so that all that can cost much is weighed while it runs.
//!
//! Fuel counts instructions, but one instruction may double a text, compare two of megabytes, or nest a list once
//! more. So operands pass through the filter [`WEIGH`], what is kept in a variable or a literal through [`KEEP`],
//! multiplication becomes [`TIMES`], and text of the template is written through the formatter like any other.
//! None of the names can be written in a template, so none can be evaded or called from one.

use minijinja::{
    Value,
    machinery::{
        Span,
        ast::{
            AutoEscape, BinOp, BinOpKind, Block, Call, CallArg, CallBlock, Compare, CompareOp, Const, Do,
            EmitExpr, Expr, Extends, Filter, FilterBlock, ForLoop, GetAttr, GetItem, IfCond, IfExpr, Include,
            List, Macro, Map, Set, SetBlock, Slice, Spanned, Stmt, Template, Test, Tuple, UnaryOp,
            UnaryOpKind, Var, WithBlock,
        },
    },
};

/// Charges what looking at the value may cost.
pub(super) const WEIGH: &str = "%weigh";
/// Charges what the value holds, and refuses what is nested too deeply.
pub(super) const KEEP: &str = "%keep";
/// As [`KEEP`], for what becomes part of a namespace.
pub(super) const KEEP_IN_NAMESPACE: &str = "%keep-in-namespace";
/// Multiplies, charging before anything is made.
pub(super) const TIMES: &str = "%times";

/// The same program, weighed.
pub(super) fn bounded<'a>(program: &Stmt<'a>) -> Stmt<'a> {
    match program {
        Stmt::Template(node) => {
            Stmt::Template(Spanned::new(Template { children: all(&node.children) }, node.span()))
        }
        other => statement(other),
    }
}

fn all<'a>(statements: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
    statements.iter().map(statement).collect()
}

fn statement<'a>(stmt: &Stmt<'a>) -> Stmt<'a> {
    match stmt {
        Stmt::Template(node) => {
            Stmt::Template(Spanned::new(Template { children: all(&node.children) }, node.span()))
        }
        Stmt::EmitExpr(node) => {
            Stmt::EmitExpr(Spanned::new(EmitExpr { expr: plain(&node.expr) }, node.span()))
        }
        Stmt::EmitRaw(node) => {
            let text = Expr::Const(Spanned::new(
                Const { value: Value::from_safe_string(node.raw.to_owned()) },
                node.span(),
            ));
            Stmt::EmitExpr(Spanned::new(EmitExpr { expr: text }, node.span()))
        }
        Stmt::ForLoop(node) => {
            let rebuilt = ForLoop {
                target: target(&node.target),
                iter: operand(&node.iter),
                filter_expr: node.filter_expr.as_ref().map(plain),
                recursive: node.recursive,
                body: all(&node.body),
                else_body: all(&node.else_body),
            };
            Stmt::ForLoop(Spanned::new(rebuilt, node.span()))
        }
        Stmt::IfCond(node) => {
            let rebuilt = IfCond {
                expr: plain(&node.expr),
                true_body: all(&node.true_body),
                false_body: all(&node.false_body),
            };
            Stmt::IfCond(Spanned::new(rebuilt, node.span()))
        }
        Stmt::WithBlock(node) => {
            let assignments = node.assignments.iter();
            let rebuilt = WithBlock {
                assignments: assignments.map(|(to, from)| (target(to), kept(to, from))).collect(),
                body: all(&node.body),
            };
            Stmt::WithBlock(Spanned::new(rebuilt, node.span()))
        }
        Stmt::Set(node) => {
            let rebuilt = Set { target: target(&node.target), expr: kept(&node.target, &node.expr) };
            Stmt::Set(Spanned::new(rebuilt, node.span()))
        }
        Stmt::SetBlock(node) => {
            let rebuilt = SetBlock {
                target: target(&node.target),
                filter: node.filter.as_ref().map(plain),
                body: all(&node.body),
            };
            Stmt::SetBlock(Spanned::new(rebuilt, node.span()))
        }
        Stmt::AutoEscape(node) => {
            let rebuilt = AutoEscape { enabled: plain(&node.enabled), body: all(&node.body) };
            Stmt::AutoEscape(Spanned::new(rebuilt, node.span()))
        }
        Stmt::FilterBlock(node) => {
            let rebuilt = FilterBlock { filter: plain(&node.filter), body: all(&node.body) };
            Stmt::FilterBlock(Spanned::new(rebuilt, node.span()))
        }
        Stmt::Block(node) => {
            let rebuilt = Block { name: node.name, required: node.required, body: all(&node.body) };
            Stmt::Block(Spanned::new(rebuilt, node.span()))
        }
        // There are no other templates, which is what these come to when they are reached.
        Stmt::Extends(node) => Stmt::Extends(Spanned::new(Extends { name: plain(&node.name) }, node.span())),
        Stmt::Include(node) => included(&node.name, node.ignore_missing, node.span()),
        Stmt::Import(node) => included(&node.expr, false, node.span()),
        Stmt::FromImport(node) => included(&node.expr, false, node.span()),
        Stmt::Macro(node) => Stmt::Macro(macro_of(node)),
        Stmt::CallBlock(node) => {
            let rebuilt = CallBlock { call: call(&node.call), macro_decl: macro_of(&node.macro_decl) };
            Stmt::CallBlock(Spanned::new(rebuilt, node.span()))
        }
        Stmt::Continue(node) => {
            Stmt::Continue(Spanned::new(minijinja::machinery::ast::Continue, node.span()))
        }
        Stmt::Break(node) => Stmt::Break(Spanned::new(minijinja::machinery::ast::Break, node.span())),
        Stmt::Do(node) => Stmt::Do(Spanned::new(Do { call: call(&node.call) }, node.span())),
    }
}

fn included<'a>(name: &Expr<'a>, ignore_missing: bool, span: Span) -> Stmt<'a> {
    Stmt::Include(Spanned::new(Include { name: plain(name), ignore_missing }, span))
}

fn macro_of<'a>(node: &Spanned<Macro<'a>>) -> Spanned<Macro<'a>> {
    let rebuilt = Macro {
        name: node.name,
        args: node.args.iter().map(plain).collect(),
        defaults: node.defaults.iter().map(plain).collect(),
        body: all(&node.body),
    };
    Spanned::new(rebuilt, node.span())
}

/// What is assigned to: names, parts of namespaces, or several of them.
fn target<'a>(expr: &Expr<'a>) -> Expr<'a> {
    match expr {
        Expr::List(node) => {
            Expr::List(Spanned::new(List { items: node.items.iter().map(target).collect() }, node.span()))
        }
        Expr::Tuple(node) => {
            Expr::Tuple(Spanned::new(Tuple { items: node.items.iter().map(target).collect() }, node.span()))
        }
        other => plain(other),
    }
}

/// What is assigned to `target`.
fn kept<'a>(target: &Expr<'a>, expr: &Expr<'a>) -> Expr<'a> {
    let name = if matches!(target, Expr::Var(_)) { KEEP } else { KEEP_IN_NAMESPACE };
    through(name, plain(expr), Vec::new(), expr.span())
}

/// An expression whose value something is done with: it is weighed, unless the template spells it out.
fn operand<'a>(expr: &Expr<'a>) -> Expr<'a> {
    match expr {
        Expr::Const(_) => plain(expr),
        _ => through(WEIGH, plain(expr), Vec::new(), expr.span()),
    }
}

fn through<'a>(name: &'static str, expr: Expr<'a>, arguments: Vec<Expr<'a>>, span: Span) -> Expr<'a> {
    let args = arguments.into_iter().map(CallArg::Pos).collect();
    Expr::Filter(Spanned::new(Filter { name, expr: Some(expr), args }, span))
}

/// An expression that is itself not weighed, but whose parts are.
fn plain<'a>(expr: &Expr<'a>) -> Expr<'a> {
    let span = expr.span();
    match expr {
        Expr::Var(node) => Expr::Var(Spanned::new(Var { id: node.id }, span)),
        Expr::Const(node) => Expr::Const(Spanned::new(Const { value: node.value.clone() }, span)),
        Expr::Slice(node) => {
            let rebuilt = Slice {
                expr: operand(&node.expr),
                start: node.start.as_ref().map(plain),
                stop: node.stop.as_ref().map(plain),
                step: node.step.as_ref().map(plain),
            };
            Expr::Slice(Spanned::new(rebuilt, span))
        }
        Expr::UnaryOp(node) => {
            #[expect(clippy::needless_match, reason = "it can be neither copied nor cloned")]
            let op = match node.op {
                UnaryOpKind::Not => UnaryOpKind::Not,
                UnaryOpKind::Neg => UnaryOpKind::Neg,
            };
            Expr::UnaryOp(Spanned::new(UnaryOp { op, expr: plain(&node.expr) }, span))
        }
        Expr::BinOp(node) => match node.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => {
                let rebuilt = BinOp { op: node.op, left: plain(&node.left), right: plain(&node.right) };
                Expr::BinOp(Spanned::new(rebuilt, span))
            }
            BinOpKind::Mul => through(TIMES, operand(&node.left), vec![operand(&node.right)], span),
            op => {
                let rebuilt = BinOp { op, left: operand(&node.left), right: operand(&node.right) };
                Expr::BinOp(Spanned::new(rebuilt, span))
            }
        },
        Expr::Compare(node) => {
            let ops = node.ops.iter().map(|step| CompareOp { op: step.op, expr: operand(&step.expr) });
            let rebuilt = Compare { expr: operand(&node.expr), ops: ops.collect() };
            Expr::Compare(Spanned::new(rebuilt, span))
        }
        Expr::IfExpr(node) => {
            let rebuilt = IfExpr {
                test_expr: plain(&node.test_expr),
                true_expr: plain(&node.true_expr),
                false_expr: node.false_expr.as_ref().map(plain),
            };
            Expr::IfExpr(Spanned::new(rebuilt, span))
        }
        Expr::Filter(node) => {
            let rebuilt = Filter {
                name: node.name,
                expr: node.expr.as_ref().map(operand),
                args: arguments(&node.args),
            };
            Expr::Filter(Spanned::new(rebuilt, span))
        }
        Expr::Test(node) => {
            let rebuilt = Test { name: node.name, expr: operand(&node.expr), args: arguments(&node.args) };
            Expr::Test(Spanned::new(rebuilt, span))
        }
        Expr::GetAttr(node) => {
            Expr::GetAttr(Spanned::new(GetAttr { expr: plain(&node.expr), name: node.name }, span))
        }
        Expr::GetItem(node) => {
            let rebuilt = GetItem { expr: operand(&node.expr), subscript_expr: plain(&node.subscript_expr) };
            Expr::GetItem(Spanned::new(rebuilt, span))
        }
        Expr::Call(node) => Expr::Call(call(node)),
        Expr::List(node) => {
            let rebuilt = List { items: node.items.iter().map(plain).collect() };
            literal(Expr::List(Spanned::new(rebuilt, span)), span)
        }
        Expr::Tuple(node) => {
            let rebuilt = Tuple { items: node.items.iter().map(plain).collect() };
            literal(Expr::Tuple(Spanned::new(rebuilt, span)), span)
        }
        Expr::Map(node) => {
            let rebuilt = Map {
                keys: node.keys.iter().map(plain).collect(),
                values: node.values.iter().map(plain).collect(),
            };
            literal(Expr::Map(Spanned::new(rebuilt, span)), span)
        }
    }
}

fn literal<'a>(expr: Expr<'a>, span: Span) -> Expr<'a> {
    if expr.as_const().is_some() { expr } else { through(KEEP, expr, Vec::new(), span) }
}

fn call<'a>(node: &Spanned<Call<'a>>) -> Spanned<Call<'a>> {
    // The engine tells methods and functions apart by the shape of what is called.
    let expr = match &node.expr {
        Expr::GetAttr(method) => {
            let block = matches!(&method.expr, Expr::Var(variable) if variable.id == "self");
            let of = if block { plain(&method.expr) } else { operand(&method.expr) };
            let rebuilt = GetAttr { expr: of, name: method.name };
            Expr::GetAttr(Spanned::new(rebuilt, method.span()))
        }
        other => plain(other),
    };
    Spanned::new(Call { expr, args: arguments(&node.args) }, node.span())
}

fn arguments<'a>(args: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
    let argument = |arg: &CallArg<'a>| match arg {
        CallArg::Pos(expr) => CallArg::Pos(operand(expr)),
        CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, operand(expr)),
        CallArg::PosSplat(expr) => CallArg::PosSplat(operand(expr)),
        CallArg::KwargSplat(expr) => CallArg::KwargSplat(plain(expr)),
    };
    args.iter().map(argument).collect()
}

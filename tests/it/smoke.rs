//! That the whole thing runs at all.

use crate::support::App;

#[test]
fn a_formation_runs_and_ends() {
    let app = App::new("web: echo hello from $PS on $PORT\n");
    let end = app.start(&["--no-timestamp"]).finish();
    let pid = end.stdout.lines().next().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(
        end.stdout,
        format!(
            "web.1  | started with pid {pid}\n\
             web.1  | hello from web.1 on 5000\n\
             web.1  | exited with code 0\n"
        )
    );
    assert_eq!(end.stderr, "");
    assert_eq!(end.status, Some(0));
}

const ours = ['-c', 'user.name=Oxbow', '-c', 'user.email=git-sync@oxbow.invalid']

export default ({ repository = '/shared', tag_prefix: prefix = 'auto-sync', interval_mins: minutes = 60, times = 1 }) => {
  let last
  for (let n = 1; ; n++) {
    const done = sync(repository, prefix)
    last = { ok: done.status === 'pushed' || done.status === 'unchanged', ...done, syncs: n }
    if (n >= times) return last
    oxbow.sleep(minutes * 60)
  }
}

function sync(cwd, prefix) {
  const failed = (text) => ({ status: 'failed', commit: '', tag: '', text: text.trim().slice(0, 2000) })
  const branch = git(cwd, ['symbolic-ref', '--short', 'HEAD'])
  if (branch.exit_code !== 0) return failed(`${cwd} is no git repository with a branch: ${branch.stderr}`)
  const remote = git(cwd, ['remote', 'get-url', 'origin'])
  if (remote.exit_code !== 0) return failed(`It has no remote "origin": ${remote.stderr}`)
  const by = git(cwd, ['config', 'user.email']).exit_code === 0 ? [] : ours
  const added = git(cwd, ['add', '--all'])
  if (added.exit_code !== 0) return failed(added.stderr)
  const isStaged = () => git(cwd, ['diff', '--cached', '--quiet']).exit_code === 1
  let tag = ''
  if (isStaged()) {
    const made = git(cwd, [...by, 'commit', '--quiet', '-m', 'Sync'])
    // One that was cut off, and made again, has nothing left to commit.
    if (made.exit_code !== 0 && isStaged()) return failed(made.stdout + made.stderr)
    const name = `${prefix}-${new Date(oxbow.now()).toISOString().replace(/[-:]|\.\d+/g, '')}`
    const named = git(cwd, [...by, 'tag', '-a', name, '-m', 'Sync'])
    if (named.exit_code !== 0 && !/already exists/.test(named.stderr)) return failed(named.stderr)
    tag = name
  }
  const head = git(cwd, ['rev-parse', 'HEAD'])
  if (head.exit_code !== 0) return { status: 'unchanged', commit: '', tag: '', text: 'There is nothing to push yet.' }
  const commit = head.stdout.trim()
  const pushed = push(cwd, remote.stdout.trim())
  const text = (pushed.stdout + pushed.stderr).trim().slice(0, 2000)
  if (pushed.exit_code === 0) return { status: /^[ *+-]\t/m.test(pushed.stdout) ? 'pushed' : 'unchanged', commit, tag, text }
  if (!/^!.*\[(?:remote )?rejected\]/m.test(pushed.stdout)) return { ...failed(text), commit, tag }
  oxbow.call('events.publish', { kind: 'git_sync_conflict', data: { repository: cwd, branch: branch.stdout.trim(), commit, text } })
  return { status: 'conflict', commit, tag, text }
}

function push(cwd, url) {
  if (!/^https?:/.test(url)) return git(cwd, ['push', '--porcelain', '--atomic', '--follow-tags', 'origin', 'HEAD'])
  return again('shell.online', { command: 'git push --porcelain --atomic --follow-tags origin HEAD', cwd, timeout_s: 300 })
}

const git = (cwd, args) => again('exec.run', { binary: 'git', args, cwd, timeout_s: 300 })

// Each of these commands can be made again where the guest was killed or stopped meanwhile.
function again(name, input) {
  for (let left = 5; ; left--)
    try {
      return oxbow.call(name, input).output
    } catch (error) {
      if (!['outcome_unknown', 'cancelled'].includes(error.code) || left === 0) throw error
    }
}

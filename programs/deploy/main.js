/** Looks that a service may fail before it has to work, and in a row while it is watched. */
const settlingLooks = 10
const failingLooks = 2

export default ({ environment, version, repository = '/shared', watch_s: watchS = 600, check_s: checkS = 15 }) => {
  const state = { environment, version: version ?? '', previous: '' }
  const end = (result, text) => ({ ok: result === 'SUCCESS', result, ...state, text: String(text).trim().slice(0, 2000) })
  const place = {}
  try {
    return deploy({ state, end, repository, watchS, checkS, place })
  } catch (error) {
    return end('FAILED', error.message)
  } finally {
    if (place.folder !== undefined) git(repository, ['worktree', 'remove', '--force', place.folder])
  }
}

function deploy({ state, end, repository, watchS, checkS, place }) {
  const { environment } = state
  state.version ||= git(repository, ['describe', '--tags', '--abbrev=0']).stdout.trim()
  if (state.version === '') return end('FAILED', `${repository} has no tag to deploy: name a version.`)
  const { version } = state
  if (git(repository, ['rev-parse', '--verify', '--quiet', `refs/tags/${version}^{commit}`]).exit_code !== 0)
    return end('FAILED', `${repository} has no tag ${version}.`)
  const folder = `/tmp/deploy-${version}-${Math.floor(oxbow.random() * 1e9)}`
  const added = git(repository, ['worktree', 'add', '--force', '--detach', folder, `refs/tags/${version}`])
  if (added.exit_code !== 0 && !/already exists/.test(added.stderr)) return end('FAILED', added.stderr)
  place.folder = folder
  const addresses = JSON.parse(oxbow.call('file.read', { path: `${folder}/deploy/health.json` }).output.text)

  const ways = environment === 'production' ? ['staging', 'production'] : ['staging']
  for (const each of ways) {
    if (typeof addresses[each] !== 'string') return end('FAILED', `deploy/health.json names no address for ${each}.`)
    const ready = hook(folder, 'preflight', each, version)
    if (ready.exit_code !== 0) return end('FAILED', `deploy/preflight ${each} failed: ${ready.stderr || ready.stdout}`)
  }
  const live = (of) => {
    const found = hook(folder, 'current', of, version)
    if (found.exit_code !== 0) throw new Error(`deploy/current ${of} failed: ${found.stderr}`)
    return found.stdout.trim()
  }
  state.previous = live(environment)
  for (const each of ways) {
    const isTarget = each === environment
    const before = live(each)
    if (before === version) {
      if (isTarget) return end('SUCCESS', `${version} is live already; nothing was deployed.`)
      continue
    }
    if (each === 'production' && !approved(version, before))
      return end('FAILED', 'Production was not approved; nothing was deployed there.')
    const claim = claimed(repository, each, version, watchS)
    if (claim !== '') return end('FAILED', claim)
    let said = { result: 'FAILED', text: '' }
    try {
      said = released({ folder, each, version, before, live, url: addresses[each], checkS, watchS: isTarget ? watchS : 0 })
    } finally {
      settled(repository, each, version, said.result)
    }
    if (said.result !== 'SUCCESS' || isTarget) return end(said.result, `${each}: ${said.text}`)
  }
  return end('FAILED', `There is no way to ${environment}.`)
}

/** Releases a version once, and takes it back if it does not work. */
function released({ folder, each, version, before, live, url, checkS, watchS }) {
  oxbow.call('events.publish', { kind: 'deploy_started', data: { environment: each, version, previous: before } })
  const failed = attemptRelease(folder, each, version, live)
  const why = failed || watched(url, checkS, watchS)
  const said =
    why === '' ? { result: 'SUCCESS', text: `${version} is live and healthy.` } : rolledBack({ folder, each, version, before, live, why })
  oxbow.call('events.publish', { kind: 'deploy_ended', data: { environment: each, version, ...said } })
  return said
}

/** @returns why it failed; '' if the version is live */
function attemptRelease(folder, each, version, live) {
  try {
    const done = oxbow.call('shell.online', { command: `sh deploy/release ${each}`, cwd: folder, stdin: version, timeout_s: 600 }).output
    return done.exit_code === 0 ? '' : `deploy/release failed: ${done.stderr || done.stdout}`
  } catch (error) {
    if (!isUnknown(error)) return error.message
    return live(each) === version ? '' : 'a crash has hidden how the release ended, and it is not live'
  }
}

function rolledBack({ folder, each, version, before, live, why }) {
  if (before === '') return { result: 'FAILED', text: `${why}; there is no version to go back to.` }
  const back = hook(folder, 'rollback', each, before)
  const isBack = back.exit_code === 0 && live(each) === before
  if (isBack) return { result: 'ROLLED_BACK', text: `${why}; ${before} is live again.` }
  return { result: 'FAILED', text: `${why}; rolling ${version} back failed, too: ${back.stderr || back.stdout}` }
}

/** @returns why the service does not work; '' if it does */
function watched(url, seconds, watchS) {
  let why = look(url)
  for (let left = settlingLooks; why !== '' && left > 0; left--) {
    oxbow.sleep(Math.min(seconds, 3))
    why = look(url)
  }
  const until = oxbow.now() + watchS * 1000
  let failing = 0
  while (why === '' && oxbow.now() < until) {
    oxbow.sleep(seconds)
    const said = look(url)
    failing = said === '' ? 0 : failing + 1
    if (failing >= failingLooks) why = said
  }
  return why
}

function look(url) {
  try {
    const { status } = oxbow.call('web.fetch', { url, format: 'raw', max_bytes: 256 }).output
    return status >= 200 && status < 300 ? '' : `${url} answers with ${status}`
  } catch (error) {
    return `${url} does not answer: ${error.message.slice(0, 300)}`
  }
}

function approved(version, before) {
  const plan = before === '' ? 'There is nothing to go back to.' : `If it fails, ${before} is made live again.`
  try {
    return oxbow.question(`Deploy ${version} to production? Staging works with it. ${plan}`, ['deploy', 'stop']) === 'deploy'
  } catch (error) {
    if (error.code === 'denied' || error.code === 'refused') return false
    throw error
  }
}

const nameOf = (repository, each) => `${repository.replace(/^\//, '').replace(/[^A-Za-z0-9._-]+/g, '-')}-${each}`

/** One deployment at a time. @returns why it cannot begin */
function claimed(repository, each, version, watchS) {
  const of = { category: 'deploy', name: nameOf(repository, each) }
  const now = oxbow.now()
  let known = null
  try {
    known = oxbow.call('state.load', of).output
  } catch (error) {
    if (error.code !== 'not_found') throw error
  }
  const other = known?.data ?? {}
  if (other.until > now)
    return `${other.version} is being deployed to ${each} by another run, until ${new Date(other.until).toISOString()} at the latest.`
  try {
    oxbow.call('state.save', {
      ...of,
      data: { version, at: now, until: now + (watchS + 3600) * 1000, result: '' },
      if_version: known?.version ?? 0,
    })
    return ''
  } catch (error) {
    if (error.code === 'conflict') return `Another run begins to deploy to ${each}.`
    throw error
  }
}

function settled(repository, each, version, result) {
  oxbow.call('state.save', { category: 'deploy', name: nameOf(repository, each), data: { version, at: oxbow.now(), until: 0, result } })
}

// These can run again where a crash has hidden how they ended; a release cannot.
const git = (cwd, args) => again('exec.run', { binary: 'git', args, cwd, timeout_s: 300 })
const hook = (folder, name, each, version) =>
  again('shell.online', { command: `sh deploy/${name} ${each}`, cwd: folder, stdin: version, timeout_s: 600 })

/** The guest was killed, or stopped, while the call ran. */
const isUnknown = ({ code }) => code === 'outcome_unknown' || code === 'cancelled'

function again(name, input) {
  for (let left = 5; ; left--)
    try {
      return oxbow.call(name, input).output
    } catch (error) {
      if (!isUnknown(error) || left === 0) throw error
    }
}

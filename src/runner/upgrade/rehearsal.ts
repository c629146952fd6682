/**
 * Tries a version on a copy of the home before anything is changed: it restores a backup of each store (which migrates it), verifies it, starts
 * a guest and has one turn with the offline model. For a way back, the version that runs migrates the copy back first.
 *
 * What is copied: configuration, keys and signed heads, and the stores from backups; not the files of workspaces, folders of the person, and
 * plugins. The guest of the copy has no rights, no budget and no network, so what its store holds (open turns, schedules) does nothing.
 */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ownValue, type UserId } from '../../base/index.ts'
import { type Home, type HostEnv, usersFolder } from '../home.ts'
import { askVerb, runVerb } from './version-program.ts'
import { type Installed, versionsFolder } from './versions.ts'

/** Copied where they are there. */
const copied = ['config.toml', 'catalog', 'runner/signing-key.pem', 'runner/keys', 'runner/heads'] as const

/** Only read, and large. */
const linked = ['embedders', 'images', 'node_modules', 'package.json'] as const

/** What keeps the copy from doing anything. */
const harmless: HostEnv = {
  OXBOW__GATEWAY__PORT: '0',
  OXBOW__GATEWAY__HOST: '127.0.0.1',
  OXBOW__AGENT__RIGHTS: '[]',
  OXBOW__BUDGET__USER__MICRO_DOLLARS: '0',
  OXBOW__EGRESS__MODE: 'strict',
  OXBOW__EGRESS__ALLOW: '[]',
  // A server has everybody's rows: the copy is a file.
  OXBOW__STORE__URL: '',
  OXBOW__STORE__URL_ENV: '',
}

/** Variables of the person that a guest needs; keys of model services are not among them. */
const passedOn = ['PATH', 'USER', 'TZ', 'LANG', 'LC_ALL', 'TMPDIR', 'OXBOW_MACHINE_CONFIG'] as const

export interface Rehearsal {
  readonly home: Home
  readonly env: HostEnv
  readonly users: readonly UserId[]
  /** The variables with passphrases of stores. */
  readonly passphrases: readonly string[]
  readonly running: Installed
  readonly next: Installed
  /** On the way back: the step of the tables that `next` knows. */
  readonly back: number | null
  readonly tell: (what: string) => void
}

export interface Rehearsed {
  readonly user: UserId
  /** Steps that ran, or were taken back. */
  readonly steps: readonly string[]
  readonly ms: number
}

/** @throws OxbowError `tool_failed` with what fails in the copy; nothing was changed then */
export async function rehearse(rehearsal: Rehearsal): Promise<readonly Rehearsed[]> {
  const folder = join(versionsFolder(rehearsal.home), 'rehearsal')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const env = copyHome(rehearsal, folder)
    await takeFilesBack(env, rehearsal.running, rehearsal.next)
    const done: Rehearsed[] = []
    for (const user of rehearsal.users) done.push(await rehearseUser(rehearsal, user, folder, env))
    return done
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @returns the variables of programs that work in the copy */
function copyHome({ home, users, env, passphrases }: Rehearsal, folder: string): HostEnv {
  const files = [...copied, ...users.map((user) => join('users', user, 'config.toml'))]
  for (const file of files.filter((each) => existsSync(join(home.root, each)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true, mode: 0o700 })
    cpSync(join(home.root, file), join(folder, file), { recursive: true })
  }
  for (const name of linked) if (existsSync(join(home.root, name))) symlinkSync(join(home.root, name), join(folder, name))
  const kept = [...passedOn, ...passphrases, ...Object.keys(home.variables)].flatMap((name) => {
    const value = ownValue(env, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(kept), HOME: folder, OXBOW_HOME: folder, ...harmless }
}

/** The newer version makes its configuration files what an older one can read. */
export async function takeFilesBack(env: HostEnv, by: Installed, to: Installed): Promise<void> {
  if (to.config < by.config) await askVerb(by, ['config', 'migrate', '--to', String(to.config)], env)
}

async function rehearseUser(
  { env: real, running, next, back, tell }: Rehearsal,
  user: UserId,
  folder: string,
  env: HostEnv,
): Promise<Rehearsed> {
  const began = performance.now()
  const ofUser = ['--user', user]
  const backup = join(folder, `${user}.oxbow-backup`)
  tell(`copying the store of ${user}`)
  await askVerb(running, ['backup', backup, '--database-only', ...ofUser], real)
  // Only the version that wrote a backup can be sure to read it.
  tell(`${next.version} takes the copy`)
  const restoredBy = back === null ? next : running
  await askVerb(restoredBy, ['restore', backup, '--database-only', '--replace', ...ofUser], env)
  const { steps = [] } =
    back === null
      ? await askVerb(running, ['store', 'status', ...ofUser], real).then(({ version }) => stepsBetween(Number(version), next.store))
      : await askVerb(running, ['store', 'migrate', '--to', String(back), '--yes', ...ofUser], env)
  for (const verb of [
    ['store', 'verify'],
    ['run', '--model', 'offline', 'hello'],
    ['audit', 'verify'],
  ]) {
    tell(`${next.version}: ${verb.join(' ')}`)
    await askVerb(next, [...verb, ...ofUser], env)
  }
  return { user, steps: steps as readonly string[], ms: Math.round(performance.now() - began) }
}

function stepsBetween(from: number, to: number): { readonly steps: readonly string[] } {
  return { steps: Array.from({ length: Math.max(0, to - from) }, (_, at) => String(from + at + 1)) }
}

/** @returns users who have a store, which need not be a file */
export async function usersWithStore(home: Home, users: readonly UserId[], running: Installed, env: HostEnv): Promise<readonly UserId[]> {
  const found: UserId[] = []
  for (const user of users) {
    const isThere = existsSync(join(usersFolder(home), user, 'internal', 'oxbow.db'))
    if (isThere) found.push(user)
    else if ((await runVerb(running, ['store', 'status', '--user', user, '--json'], env)).exit === 0) found.push(user)
  }
  return found
}

/** `oxbow user`: by the daemon where one runs, else on the files of the home. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  addUser,
  askDaemon,
  controlPlaceOf,
  hasWorkspace,
  openHome,
  openSettings,
  parseUser,
  removeUser,
  usersFolder,
  usersOf,
} from '../../runner/index.ts'
import { OxbowError, type UserId } from '../../base/index.ts'
import type { ControlInput, ControlOutput, UserSettings } from '../../protocol/index.ts'
import { plainText, table } from '../../terminal/index.ts'
import { isYes } from '../input.ts'
import { printAnswer, printList, printNotice, printPreview, type Terminal } from '../terminal.ts'
import { stop } from '../verbs/serve.ts'
import { askHere } from './ask.ts'
import { statusWithout } from './run-users.ts'

interface Json {
  readonly json?: boolean | undefined
}

interface Limits extends Json {
  readonly cpuWeight?: number | undefined
  readonly memory?: number | undefined
  readonly processes?: number | undefined
  readonly disk?: number | undefined
  readonly envFile?: string | undefined
}

type Users = ControlOutput<'users'>
type OneUser = Users['users'][number]

export async function userList(options: Json, terminal: Terminal): Promise<number> {
  const { users } = await ask({ action: 'list' }, terminal)
  const states = await statesOf(terminal)
  const rows = users.map((each) => ({ ...each, state: states.get(each.user) ?? 'stopped' }))
  const text = (list: typeof rows): string =>
    plainText(
      table([
        ['user', 'state', 'starts by itself', 'home'],
        ...list.map(({ user, state, settings, home }) => [user, state, settings.run ? 'yes' : 'no', home]),
      ]),
    )
  return printList(rows, { text, empty: 'There are no users yet. `oxbow user add NAME` adds one.' }, options, terminal)
}

export async function userShow(name: string, options: Json, terminal: Terminal): Promise<number> {
  const { users } = await ask({ action: 'list', user: nameOf(name, terminal) }, terminal)
  const found = users.find(({ user }) => user === name)
  if (found === undefined) throw new OxbowError('not_found', `there is no user ${name}`, { hint: '`oxbow user list` shows the users.' })
  const state = (await statesOf(terminal)).get(name) ?? 'stopped'
  return printAnswer({ ...found, state }, plainText(described(found, state)), options, terminal)
}

export async function userAdd(name: string, options: Limits, terminal: Terminal): Promise<number> {
  const { users, done } = await ask({ action: 'add', user: nameOf(name, terminal), settings: settingsOf(options) }, terminal)
  if (done !== '') printNotice(terminal, `notice: ${plainText(done)}`)
  return printAnswer(users[0], plainText(`${name} is added. Start Oxbow for them: oxbow start --user ${name}`), options, terminal)
}

export async function userSet(name: string, options: Limits, terminal: Terminal): Promise<number> {
  const settings = settingsOf(options)
  if (Object.keys(settings).length === 0) {
    throw new OxbowError('bad_input', 'nothing is to be set', {
      hint: 'Add an option, such as --memory 4096; `oxbow user set --help` lists them.',
    })
  }
  const { users, done } = await ask({ action: 'set', user: nameOf(name, terminal), settings }, terminal)
  if (done !== '') printNotice(terminal, `notice: ${plainText(done)}`)
  return printAnswer(users[0], plainText(described(users[0]!, '')), options, terminal)
}

interface Removal extends Json {
  readonly purge?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

export async function userRemove(name: string, options: Removal, terminal: Terminal): Promise<number> {
  const user = nameOf(name, terminal)
  const purge = options.purge === true
  const { users } = await ask({ action: 'list', ...(!purge && { user }) }, terminal)
  if (!purge && !users.some((each) => each.user === user))
    throw new OxbowError('not_found', `there is no user ${name}`, { hint: '`oxbow user list` shows the users.' })
  const would = purge ? `stop ${user} and erase everything they have and had` : `stop ${user} and move everything they have aside`
  if (options.dryRun === true) return printPreview({ would, target: { user } }, options, terminal)
  if (options.yes !== true && !(await isYes(`This will ${would}. Go on?`, terminal))) {
    throw new OxbowError('cancelled', `${user} was not removed`, { hint: 'Add --yes where nobody can answer.' })
  }
  const { done } = await ask({ action: 'remove', user, purge }, terminal)
  return printAnswer({ removed: user, purged: purge, done }, plainText(`${done}.`), options, terminal)
}

/** Before anything is asked of anybody. @throws OxbowError `bad_input` for paths, options and odd characters */
function nameOf(name: string, terminal: Terminal): string {
  const user = parseUser(name)
  if (!user.startsWith('-')) return controlPlaceOf(terminal.env).mode === 'system' ? user.slice(0, 64) : user
  throw new OxbowError('bad_input', `${JSON.stringify(name)} is an option, and cannot be a user name`, {
    hint: 'Begin the name with a letter or a digit.',
  })
}

function settingsOf({ cpuWeight, memory, processes, disk, envFile }: Limits): Partial<UserSettings> {
  return {
    ...(cpuWeight !== undefined && { cpu_weight: cpuWeight }),
    ...(memory !== undefined && { memory_mb: memory === 0 ? null : memory }),
    ...(processes !== undefined && { max_processes: processes }),
    ...(disk !== undefined && { disk_mb: disk === 0 ? null : disk }),
    // The daemon, which reads it, works in another folder.
    ...(envFile !== undefined && { env_file: envFile === '' ? '' : resolve(envFile) }),
  }
}

function described({ user, home, settings }: OneUser, state: string): string {
  const { run, cpu_weight: weight, memory_mb: memory, max_processes: processes, disk_mb: disk, env_file: file } = settings
  const rows = [
    ['user', user],
    ['home', home],
    ...(state === '' ? [] : [['state', state]]),
    ['starts by itself', run ? 'yes' : 'no'],
    ['processor weight', String(weight)],
    ['memory', memory === null ? 'no limit' : `${memory} MB`],
    ['processes', String(processes)],
    ['disk', disk === null ? 'no limit' : `${disk} MB`],
    ...(file === '' ? [] : [['variables', file]]),
  ]
  return table(rows)
}

async function statesOf(terminal: Terminal): Promise<ReadonlyMap<string, string>> {
  const place = controlPlaceOf(terminal.env)
  const answer = await askDaemon(place.socket, 'status', {}).catch(() => null)
  const users = answer?.users ?? (place.mode === 'personal' ? await statusWithout(terminal) : [])
  return new Map(users.map(({ user, state }) => [user, state]))
}

/** In a home of one's own it works without a daemon. */
async function ask(input: ControlInput<'users'>, terminal: Terminal): Promise<Users> {
  return (await askHere(terminal, 'users', () => input)) ?? changeHere(input, terminal)
}

async function changeHere(
  { action, user: name = '', settings = {}, purge = false }: ControlInput<'users'>,
  terminal: Terminal,
): Promise<Users> {
  const home = openHome(terminal.env)
  const kept = openSettings(home.runner)
  const shown = (users: readonly string[], done: string): Users => ({
    users: users.map((user) => ({ user, home: join(usersFolder(home), user), settings: kept.of(user) })),
    done,
  })
  if (action === 'list' || action === undefined)
    return shown(name === '' ? usersOf(home) : usersOf(home).filter((user) => user === name), '')
  const user: UserId = parseUser(name)
  if (action === 'remove') {
    if (existsSync(join(usersFolder(home), user))) await stop({ user }, { ...terminal, output: terminal.errors })
    const done = removeUser(home, user, purge, Date.now())
    kept.remove(user)
    return shown([], done)
  }
  if (action === 'add') addUser(home, user)
  else if (!hasWorkspace(home, user))
    throw new OxbowError('not_found', `there is no user ${user}`, { hint: '`oxbow user list` shows the users.' })
  kept.set(user, settings)
  return shown(
    [user],
    settings.memory_mb === undefined && settings.disk_mb === undefined ? '' : 'Limits of users hold in system mode only.',
  )
}

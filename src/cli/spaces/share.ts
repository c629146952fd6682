/**
 * `oxbow space share` and `unshare`. A folder of one space is mounted in the sandbox of another; of a note, a fact or a document the other space
 * gets a copy. What agents read of either there is private, with what is shared as its origin; by that, what comes from it is found again when it
 * is taken away.
 */
import { lstatSync } from 'node:fs'
import { basename, posix } from 'node:path'
import {
  addMemoryShares,
  addShare,
  dropMemoryShares,
  findFolder,
  findGuest,
  findSpace,
  hasMemoryShares,
  type Home,
  memoryShares,
  type MemoryShare,
  openHome,
  removeFolder,
  sharedAs,
  sharedFile,
  spaceOf,
  spaceWorkspace,
  type Workspace,
} from '../../runner/index.ts'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import { originOf } from '../../protocol/index.ts'
import { outputOf, withGuest } from '../guest-connection.ts'
import { isYes } from '../input.ts'
import { isInteractive, printAnswer, printNotice, printPreview, type Terminal } from '../terminal.ts'
import { derivedAnywhere, type DerivedIn, derivedText, removeDerived } from './derived-anywhere.ts'
import type { Gateway } from './space-asks.ts'
import { personOf, type SpaceOptions } from './spaces.ts'

interface ShareOptions extends SpaceOptions {
  readonly to: string
  readonly from?: string | undefined
  readonly write?: boolean | undefined
  readonly as?: string | undefined
  readonly yes?: boolean | undefined
}

/** @param path of a folder in /shared, or the id of a memory */
export async function spaceShare(path: string, options: ShareOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const from = options.from === undefined ? options.user : findSpace(home, personOf(options), options.from).user
  const workspace = spaceWorkspace(home, personOf(options), options.to)
  if (from === workspace.user) throw new OxbowError('bad_input', 'both are the same space', { hint: 'Name another one: --to SPACE.' })
  if (isMemory(path)) return shareMemory(path, { home, from, workspace }, options, terminal)
  const real = folderOf(home, from, path, options)
  if (!lstatSync(real).isDirectory())
    throw new OxbowError('bad_input', `${path} is not a folder`, {
      hint: 'Share the folder that it is in, or move it: oxbow space move PATH --to SPACE',
    })
  const { space } = spaceOf(from)
  const shared = { name: options.as ?? basename(real), readOnly: options.write !== true, space }
  if (!shared.readOnly) await markShared(from, path, terminal)
  const folder = addShare({ home, workspace, env: terminal.env }, real, shared)
  const guest = await findGuest(workspace)
  const when = guest === null ? '' : `, once Oxbow is started again there: oxbow restart --space ${options.to}`
  const how = folder.readOnly ? 'read' : 'read and change'
  const text = `Agents of the space ${options.to} may ${how} it as /shared/${folder.name}${when}.\nTake it away: oxbow space unshare ${folder.name} --to ${options.to}`
  return printAnswer({ folder: `/shared/${folder.name}`, from: space, to: options.to, read_only: folder.readOnly }, text, options, terminal)
}

/** @throws OxbowError that says what to do with what is no folder, such as a session by its id or the beginning of it */
function folderOf(home: Home, from: string, path: string, { to }: ShareOptions): string {
  const move = `oxbow space move ${path} --from ${spaceOf(from).space} --to ${to}`
  if (path.startsWith('schedule:'))
    throw new OxbowError('bad_input', 'a schedule cannot be shared: it runs in one space', { hint: `Move it: ${move}` })
  try {
    return sharedFile(home, from, path)
  } catch (error) {
    if (!isOxbowError(error, 'not_found') || !/^[0-9a-f]{4}[0-9a-f-]*$/.test(path)) throw error
    throw new OxbowError('bad_input', 'a session cannot be shared: its journal is of one space', {
      hint: `Share a note of what was found, or move it: ${move}`,
    })
  }
}

/** What the other space writes there may be from what it keeps private: whoever reads it here has that label, also when it is taken away again. */
async function markShared(user: string, path: string, terminal: Terminal): Promise<void> {
  const place = posix.resolve('/shared', path)
  const labelled = { path: place, labels: ['private' as const], from: [['private', originOf('path', place)]] }
  await withGuest({ user }, terminal, ({ gateway }) => outputOf(gateway, 'space.place', { lines: [], files: [labelled] } as never))
}

const isMemory = (item: string): boolean => /^(?:note|fact)-[0-9a-f]+$|^document:[0-9a-f]+:\d+$/.test(item)

interface Between {
  readonly home: Home
  /** A workspace. */
  readonly from: string
  /** Of the other space. */
  readonly workspace: Workspace
}

async function shareMemory(id: string, { home, from, workspace }: Between, options: ShareOptions, terminal: Terminal): Promise<number> {
  const { space, person } = spaceOf(from)
  if (options.write === true || options.as !== undefined)
    throw new OxbowError('bad_input', 'a memory is shared to be read, under an id of its own', { hint: 'Leave out --write and --as.' })
  const guest = hasMemoryShares(home, workspace.user) ? null : await findGuest(workspace)
  if (guest !== null)
    throw new OxbowError('workspace_busy', `Oxbow runs in the space ${options.to} without asking before private data leaves it`, {
      hint: `Stop it, and share again; later ones need no stop: oxbow stop --space ${options.to}`,
    })
  const lines = await withGuest({ user: from }, terminal, async ({ gateway }) => packWhole(gateway, id))
  const shares = lines.map((line): MemoryShare => {
    const { id: own } = JSON.parse(line) as { readonly id: string }
    return { from: space, to: options.to, id: own, copy: sharedAs(space, own), at: Date.now() }
  })
  addMemoryShares(home, person, shares)
  const as = shares.map((one): [string, string] => [one.id, one.copy])
  await withGuest({ user: workspace.user }, terminal, ({ gateway }) =>
    outputOf(gateway, 'space.place', { lines: [...lines], shared: { space, as } }),
  )
  const [{ copy } = { copy: '' }] = shares
  const text = `Agents of the space ${options.to} may read it as ${copy}, as it is now.\nTake it away: oxbow space unshare ${copy} --to ${options.to}`
  return printAnswer({ memory: id, copy, from: space, to: options.to, read_only: true }, text, options, terminal)
}

/** @returns the memory; of a document all sections @throws OxbowError `not_found` */
async function packWhole(gateway: Gateway, id: string): Promise<readonly string[]> {
  const { lines } = await outputOf(gateway, 'space.pack', { ids: [id] })
  const [, address] = /^(document:[0-9a-f]+):\d+$/.exec(id) ?? []
  if (address === undefined) return lines
  const { extra } = JSON.parse(lines[0]!) as { readonly extra: string }
  const { sections = 1 } = JSON.parse(extra === '' ? '{}' : extra) as { readonly sections?: number }
  const all: string[] = []
  for (let at = 0; at < sections; at += 1)
    all.push(...(await outputOf(gateway, 'space.pack', { ids: [`${address}:${at}`] }).catch(none)).lines)
  return all
}

/** A section that was forgotten. */
function none(error: unknown): { readonly lines: readonly string[] } {
  if (!isOxbowError(error, 'not_found')) throw error
  return { lines: [] }
}

/** What is taken away. */
interface Shared {
  /** For people. */
  readonly what: string
  readonly path: string
  readonly memories: readonly string[]
  /** First, so that nobody reads it while what was read goes. */
  readonly takeAway: (gateway: Gateway) => Promise<void>
  /** Last: until then it can be taken away again. */
  readonly forget: () => void
}

export async function spaceUnshare(name: string, options: ShareOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const workspace = spaceWorkspace(home, personOf(options), options.to)
  const shared = isMemory(name) ? sharedMemory(name, home, options) : sharedFolder(name, { home, workspace }, options, terminal)
  return withGuest({ user: workspace.user }, terminal, async ({ gateway }) => {
    const [here, ...elsewhere] = await derivedAnywhere({ home, user: workspace.user, gateway }, shared, terminal)
    const would = `take ${shared.what} away from the space ${options.to}${derivedText([here!, ...elsewhere])}`
    const { path, memories } = shared
    const gone = { ...(path === '' ? {} : { path }), copies: memories, ...withoutSpace(here!), elsewhere }
    if (options.dryRun === true) return printPreview({ would, target: gone }, options, terminal)
    if (options.yes !== true) {
      if (!isInteractive(terminal))
        throw new OxbowError('bad_input', 'nobody can be asked here whether that is meant', { hint: `It would ${would}. Add --yes.` })
      if (!(await isYes(`${would}?`, terminal))) {
        printNotice(terminal, 'Nothing is changed.')
        return 0
      }
    }
    await shared.takeAway(gateway)
    for (const one of elsewhere) await withGuest({ user: one.user }, terminal, (other) => removeDerived(other.gateway, one))
    await removeDerived(gateway, here!)
    shared.forget()
    return printAnswer(gone, `Done: ${would}.`, options, terminal)
  })
}

const withoutSpace = ({ sessions, memories, files, schedules, state }: DerivedIn): object => ({
  sessions,
  memories,
  files,
  schedules,
  state,
})

function sharedFolder(
  name: string,
  place: { readonly home: Home; readonly workspace: Workspace },
  options: ShareOptions,
  terminal: Terminal,
): Shared {
  const folder = findFolder(place, name)
  if (folder.space === undefined)
    throw new OxbowError('bad_input', `${name} is a folder of yours, which no space shares`, {
      hint: `oxbow folder remove ${name} --space ${options.to}`,
    })
  const path = `/shared/${folder.name}`
  return {
    what: path,
    path,
    memories: [],
    async takeAway(gateway) {
      removeFolder(place, name)
      await outputOf(gateway, 'folder.sync', {}).catch((error: unknown) => {
        if (!isOxbowError(error, 'workspace_busy')) throw error
        printNotice(terminal, `notice: a program still sees it; oxbow restart --space ${options.to} ends it`)
      })
    },
    forget: () => {},
  }
}

/** @param id of the memory, or of its copy; of a document any section @throws OxbowError `not_found` */
function sharedMemory(id: string, home: Home, options: ShareOptions): Shared {
  const person = personOf(options)
  const whole = (one: string): string => one.replace(/^(document:[0-9a-f]+):\d+$/, '$1')
  const found = memoryShares(home, person).filter(
    (one) => one.to === options.to && (whole(one.copy) === whole(id) || whole(one.id) === whole(id)),
  )
  if (found.length === 0)
    throw new OxbowError('not_found', `no space shares ${id} with the space ${options.to}`, {
      hint: '`oxbow space list --json` shows what is shared.',
    })
  const copies = found.map(({ copy }) => copy)
  return {
    what: `the copy ${copies[0]}`,
    path: '',
    memories: copies,
    takeAway: async (gateway) => void (await outputOf(gateway, 'space.clear', { ids: copies })),
    forget: () => dropMemoryShares(home, person, found),
  }
}

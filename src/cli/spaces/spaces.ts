/** `oxbow space`: makes, chooses and puts away spaces. What goes from one to another is in `move.ts` and `share.ts`. */
import { realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  defaultSpace,
  findGuest,
  findSpace,
  newSpace,
  openHome,
  openWorkspace,
  setArchived,
  type Space,
  spaceOf,
  suggestSpace,
  useSpace,
  parseUser,
} from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import { printAnswer, printPreview, type Terminal } from '../terminal.ts'

export interface SpaceOptions {
  /** Of the workspace in use: the person is whoever has it. */
  readonly user: string
  readonly json?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

interface NewOptions extends SpaceOptions {
  readonly about: string
  readonly word?: readonly string[]
  readonly path?: readonly string[]
}

export const aboutChars = 200
const maxWords = 50

/** @returns the person whose spaces a verb is about */
export function personOf({ user }: Pick<SpaceOptions, 'user'>): string {
  return spaceOf(parseUser(user)).person
}

export async function spaceNew(name: string, options: NewOptions, terminal: Terminal): Promise<number> {
  const { about, word: words = [], path: paths = [] } = options
  if (about.length > aboutChars || words.length > maxWords || paths.length > maxWords)
    throw new OxbowError('limit_reached', `a space has at most ${aboutChars} characters about it, and ${maxWords} words and folders`, {
      hint: 'Give fewer.',
    })
  const made = newSpace(openHome(terminal.env), personOf(options), {
    name,
    about,
    words,
    paths: paths.map(folderNamed),
    created_at: Date.now(),
  })
  return printAnswer(shown(made), `The space ${name} is made. Work in it: oxbow space use ${name}`, options, terminal)
}

/** @throws OxbowError `not_found` */
function folderNamed(path: string): string {
  const found = resolve(path)
  if (!(statSync(found, { throwIfNoEntry: false })?.isDirectory() ?? false))
    throw new OxbowError('not_found', `there is no folder ${found}`, { hint: 'Make it first, or leave --path out.' })
  return realpathSync(found)
}

interface ShownSpace extends Pick<Space, 'user' | 'about' | 'words' | 'paths' | 'created_at'> {
  readonly space: string
  readonly in_use: boolean
  readonly archived: boolean
}

/** @returns a space as it is printed */
export const shown = ({ user, name, about, isCurrent, created_at, archived_at, words, paths }: Space): ShownSpace => ({
  space: name,
  user,
  in_use: isCurrent,
  archived: archived_at !== 0,
  about,
  words,
  paths,
  created_at,
})

export async function spaceUse(name: string, options: SpaceOptions, terminal: Terminal): Promise<number> {
  const used = useSpace(openHome(terminal.env), personOf(options), name)
  const back = name === defaultSpace ? '' : ` Back: oxbow space use ${defaultSpace}`
  return printAnswer(shown(used), `Verbs work in the space ${name} from now on.${back}`, options, terminal)
}

export async function spaceArchive(name: string, options: SpaceOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const found = findSpace(home, personOf(options), name)
  if (options.dryRun === true)
    return printPreview({ would: `archive the space ${name}; nothing of it is lost`, target: shown(found) }, options, terminal)
  await assertStopped(found, terminal)
  const done = setArchived(home, personOf(options), name, Date.now())
  return printAnswer(shown(done), `The space ${name} is archived. Bring it back: oxbow space restore ${name}`, options, terminal)
}

/** @throws OxbowError `workspace_busy` while a guest runs in it: its turns would go on */
export async function assertStopped({ user, name }: Pick<Space, 'user' | 'name'>, { env }: Pick<Terminal, 'env'>): Promise<void> {
  const guest = await findGuest(openWorkspace(openHome(env), user))
  if (guest === null) return
  throw new OxbowError('workspace_busy', `Oxbow runs in the space ${name} (process ${guest.pid})`, {
    hint: `Stop it first: oxbow stop --space ${name}`,
  })
}

export async function spaceRestore(name: string, options: SpaceOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  findSpace(home, personOf(options), name)
  const done = setArchived(home, personOf(options), name, 0)
  return printAnswer(shown(done), `The space ${name} is back. Work in it: oxbow space use ${name}`, options, terminal)
}

export async function spaceExport(name: string, path: string | undefined, options: SpaceOptions, terminal: Terminal): Promise<number> {
  const { user } = findSpace(openHome(terminal.env), personOf(options), name)
  return (await import('../store/store.ts')).storeBackup(path, { user, json: options.json }, terminal)
}

export async function spaceSuggest(words: readonly string[], options: SpaceOptions, terminal: Terminal): Promise<number> {
  const found = suggestSpace(openHome(terminal.env), parseUser(options.user), words.join(' '), process.cwd())
  const text =
    found === null ? 'No other space seems meant.' : `${found.because} suggests the space ${found.space}: oxbow space use ${found.space}`
  return printAnswer(found, text, options, terminal)
}

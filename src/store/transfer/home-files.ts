/** Where the items of a home are, which of them a backup has, and what it leaves out. See `homeItems`. */
import { existsSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { copyFile, link, mkdir, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { ownValue } from '../../base/index.ts'
import {
  type BackupManifest,
  type BackupPart,
  type FileKeys,
  type HomeItem,
  homeItemOf,
  homeItems,
  type Keeping,
  type LeftOut,
} from '../../config/index.ts'
import type { StorePlace } from '../upkeep/connection.ts'

type Place = Pick<StorePlace, 'file' | 'user'>
type Files = Pick<FileKeys, 'homeConfig' | 'withHome'>

/** What each archive of a backup holds. */
export const itemsOf: Readonly<Record<BackupPart['name'], ReadonlySet<Keeping>>> = {
  shared: new Set(['shared']),
  kept: new Set(['kept']),
  private: new Set(['sealed']),
}

/** The folder of the user: the database is in `internal`. */
const userFolder = ({ file }: Place): string => dirname(dirname(file))
const homeFolder = ({ homeConfig }: Files): string => dirname(homeConfig)

/** @returns the real path of the item: a person may have replaced a folder by a link */
export function pathOf(place: Place, files: Files, { at, path }: HomeItem): string {
  const whole = join(at === 'home' ? homeFolder(files) : userFolder(place), path.replace('USER', place.user))
  return existsSync(whole) ? realpathSync(whole) : whole
}

/** @returns the items that a backup made now has */
export function itemsThere(place: Place, files: Files): readonly HomeItem[] {
  const all = Object.values(itemsOf)
  return homeItems.filter(
    (item) => all.some((one) => one.has(item.keeping)) && isWanted(files, item) && isThere(pathOf(place, files, item), item),
  )
}

/** What is of the home as a whole is in no backup of a space, nor restored from an older one that has it. Files below `runner` that name the user are the user's. */
export function isWanted({ withHome }: Pick<Files, 'withHome'>, { at, path }: HomeItem): boolean {
  return withHome || at === 'user' || path.includes('USER')
}

function isThere(path: string, { isFile }: HomeItem): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && (isFile === true ? stat.isFile() : stat.isDirectory())
}

/** Name of a file in an archive. The first two are earlier formats' names. */
export function textName({ id }: HomeItem): string {
  return ownValue({ 'home-config': 'config/home.toml', 'user-config': 'config/user.toml' }, id) ?? `config/${id}`
}

/** @returns the items in a backup; what this version does not know is left out */
export function itemsIn({ items, parts, config = [], plugins = false }: BackupManifest): readonly HomeItem[] {
  if (parts === undefined) return []
  const kept = Object.values(itemsOf)
  if (items !== undefined) return homeItems.filter(({ id, keeping }) => items.includes(id) && kept.some((one) => one.has(keeping)))
  // Format 2.
  const folders = ['shared', 'vault', ...(plugins ? ['plugins'] : [])]
  return homeItems.filter((item) => folders.includes(item.id) || (item.isFile === true && config.includes(textName(item))))
}

/** @returns what is below the home, of this user or of all, and in no archive; also what Oxbow does not know */
export function leftOutOf(place: Place, files: Files): readonly LeftOut[] {
  const home = homeFolder(files)
  const user = userFolder(place)
  const shown = new Map<string, LeftOut>()
  const isOfHomeOnly = (item: HomeItem): boolean => !isWanted(files, item) && Object.values(itemsOf).some((one) => one.has(item.keeping))
  const look = (at: HomeItem['at'], root: string, folder: string): void => {
    for (const name of namesIn(join(root, folder))) {
      const path = folder === '' ? name : `${folder}/${name}`
      // Looked into below.
      if (path === 'runner' || path === 'internal') continue
      const item = homeItemOf(at, path, place.user)
      if (item !== undefined && item.keeping !== 'left_out' && !isOfHomeOnly(item)) continue
      if (isBare(join(root, path)) || (item === undefined && at === 'home' && !files.withHome)) continue
      const { id, what, instead = ofHome } = item ?? { id: path, what: 'unknown to Oxbow', instead: 'copy it yourself' }
      if (!shown.has(`${at} ${id}`)) shown.set(`${at} ${id}`, { path: relative(home, join(root, path)), what, instead })
    }
  }
  for (const folder of ['', 'runner']) look('home', home, folder)
  for (const folder of ['', 'internal']) look('user', user, folder)
  const others = files.withHome ? namesIn(dirname(user)).filter((name) => name !== place.user) : []
  const instead = 'each has a backup of its own: oxbow backup --user NAME'
  return [...shown.values(), ...(others.length === 0 ? [] : [{ path: 'users', what: `other users: ${others.join(', ')}`, instead }])]
}

/** Of what a backup of a space leaves out. */
const ofHome = 'it is not of this space; a backup of the default one has it: oxbow backup --space default'

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const isBare = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true && namesIn(path).length === 0

/** Checkpoints join packs now and then. */
const snapshotTries = 10

/** Folders of versions whose files are only ever added, with what in them is not finished: files of gigabytes are not copied. */
const linkedFolders = [
  { name: 'objects', unfinished: '' },
  { name: 'large', unfinished: 'draft' },
] as const

/**
 * Versions may be written meanwhile, so they are archived from a copy: first the refs, then links to the contents, until no pack has come
 * or gone. @returns the folder to archive; `draft` is to be removed afterwards
 */
export async function snapshotOf({ id }: HomeItem, folder: string): Promise<{ readonly folder: string; readonly draft: string | null }> {
  if (id !== 'versions') return { folder, draft: null }
  const draft = `${folder}.backing-up`
  for (let tries = 1; ; tries += 1) {
    rmSync(draft, { recursive: true, force: true })
    try {
      const before = namesIn(join(folder, 'objects', 'pack')).join()
      await copyTree(
        folder,
        draft,
        copyFile,
        linkedFolders.map(({ name }) => name),
      )
      for (const { name, unfinished } of linkedFolders)
        if (existsSync(join(folder, name))) await copyTree(join(folder, name), join(draft, name), link, [unfinished])
      if (namesIn(join(folder, 'objects', 'pack')).join() === before || tries === snapshotTries) return { folder: draft, draft }
    } catch (error) {
      if (tries === snapshotTries) throw error
    }
  }
}

/** @param put copies or links one file @param without names that are left out at the top */
async function copyTree(from: string, to: string, put: typeof copyFile, without: readonly string[]): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (without.includes(entry.name)) continue
    if (entry.isDirectory()) await copyTree(source, target, put, [])
    else if (entry.isFile()) await put(source, target)
  }
}

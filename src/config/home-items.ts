/**
 * Everything that Oxbow writes below its home, and what a backup does with it. A name that is not here is reported by each backup, so that
 * nothing is left out without a word.
 */
import { matchesStars } from '../base/index.ts'

/**
 * - `database`, `shared`: parts of every backup
 * - `sealed`: in a backup, readable only with its key
 * - `kept`: in a backup, sealed only where the database is encrypted
 * - `made_again`: Oxbow makes it when it is needed; nobody misses it
 * - `left_out`: a backup says that it is not there, and why
 */
export type Keeping = 'database' | 'shared' | 'sealed' | 'kept' | 'made_again' | 'left_out'

export interface HomeItem {
  /** In archives; unique. */
  readonly id: string
  /** Below the home, or below the folder of a user. */
  readonly at: 'home' | 'user'
  /** Its path. The last part may end with `*`. */
  readonly path: string
  readonly keeping: Keeping
  readonly isFile?: true
  /** What it is, for people. */
  readonly what: string
  /** For `left_out`: how to have it again, or why nobody needs it. */
  readonly instead?: string
}

const inHome = { at: 'home' } as const
const ofUser = { at: 'user' } as const
const earlier = {
  keeping: 'left_out',
  what: 'earlier states that a restore or migration set aside',
  instead: 'copy them yourself',
} as const
const again = { keeping: 'made_again' } as const

export const homeItems: readonly HomeItem[] = [
  { ...inHome, id: 'home-replaced', path: '*.replaced-*', ...earlier },
  { ...inHome, id: 'home-beside', path: '*.from-backup-*', ...earlier },
  { ...ofUser, id: 'user-replaced', path: '*.replaced-*', ...earlier },
  { ...ofUser, id: 'user-beside', path: '*.from-backup-*', ...earlier },
  { ...ofUser, id: 'internal-replaced', path: 'internal/*.replaced-*', ...earlier },
  { ...inHome, id: 'home-config', path: 'config.toml', keeping: 'sealed', isFile: true, what: 'configuration of all users' },
  {
    ...inHome,
    id: 'home-config-before',
    path: 'config.toml.version-*',
    ...earlier,
    what: 'files before they were moved to a newer version',
  },
  { ...inHome, id: 'home-agents', path: 'agents', keeping: 'kept', what: 'agents of all users' },
  { ...inHome, id: 'home-graphs', path: 'graphs', keeping: 'kept', what: 'graphs of all users' },
  { ...inHome, id: 'home-programs', path: 'programs', keeping: 'kept', what: 'programs of all users' },
  { ...inHome, id: 'home-skills', path: 'skills', keeping: 'kept', what: 'skills of all users' },
  { ...inHome, id: 'home-prompts', path: 'prompts', keeping: 'kept', what: 'commands of all users' },
  { ...inHome, id: 'home-plugins', path: 'plugins', keeping: 'kept', what: 'files of plugins' },
  { ...inHome, id: 'plugins-lock', path: 'plugins.lock', keeping: 'kept', isFile: true, what: 'installed plugins' },
  { ...inHome, id: 'plugins-lock-drafts', path: 'plugins.lock.*', ...again, what: 'drafts of the list of plugins' },
  { ...inHome, id: 'programs-lock', path: 'programs.lock', keeping: 'kept', isFile: true, what: 'installed programs' },
  { ...inHome, id: 'programs-lock-drafts', path: 'programs.lock.*', ...again, what: 'drafts of the list of programs' },
  { ...inHome, id: 'home-servers', path: 'servers', keeping: 'kept', what: 'programs of tool servers' },
  { ...inHome, id: 'catalog', path: 'catalog', keeping: 'kept', what: 'changes to the model catalog' },
  { ...inHome, id: 'packages', path: 'package.json', keeping: 'kept', isFile: true, what: 'list of packages of providers' },
  { ...inHome, id: 'packages-lock', path: 'package-lock.json', keeping: 'kept', isFile: true, what: 'versions of packages of providers' },
  {
    ...inHome,
    id: 'packages-files',
    path: 'node_modules',
    keeping: 'left_out',
    what: 'packages of providers',
    instead: 'npm ci --prefix HOME installs them again',
  },
  {
    ...inHome,
    id: 'embedders',
    path: 'embedders',
    keeping: 'left_out',
    what: 'embedding models',
    instead: 'oxbow embed pull gets them again',
  },
  {
    ...inHome,
    id: 'images',
    path: 'images',
    keeping: 'left_out',
    what: 'images of sandboxes',
    instead: 'oxbow image build makes them again',
  },
  {
    ...inHome,
    id: 'oxbow-versions',
    path: 'versions',
    keeping: 'left_out',
    what: 'versions of Oxbow',
    instead: 'oxbow upgrade gets them again',
  },
  {
    ...inHome,
    id: 'cluster',
    path: 'cluster',
    keeping: 'left_out',
    what: 'certificate of this node, or the authority of a cluster',
    instead: 'keep a copy of it apart: whoever has ca.key lets machines in',
  },
  {
    ...inHome,
    id: 'cluster-hands',
    path: 'hands',
    keeping: 'left_out',
    what: 'files of agents of guests on other nodes',
    instead: 'not needed: what they have changed is a version at home',
  },
  { ...inHome, id: 'home-folders', path: 'runner/folders/USER.json', keeping: 'sealed', isFile: true, what: 'folders that agents see' },
  {
    ...inHome,
    id: 'keys',
    path: 'runner/keys',
    keeping: 'left_out',
    what: 'keys that open sealed parts and secrets',
    instead: 'keep them apart from the backup, and give them to oxbow restore --key',
  },
  {
    ...inHome,
    id: 'signing-key',
    path: 'runner/signing-key.pem',
    keeping: 'left_out',
    what: 'key that signs the journal',
    instead: 'each home signs with a key of its own; give it to oxbow restore --key if it sealed the backup',
  },
  {
    ...inHome,
    id: 'heads',
    path: 'runner/heads',
    keeping: 'left_out',
    what: 'signed heads of the journal',
    instead: 'the restore itself is signed, and heads follow it; oxbow audit export keeps the proof of earlier ones',
  },
  { ...inHome, id: 'runner', path: 'runner/*', ...again, what: 'what the runner keeps for itself' },
  { ...inHome, id: 'users', path: 'users', ...again, what: 'folders of users' },
  { ...ofUser, id: 'user-config', path: 'config.toml', keeping: 'sealed', isFile: true, what: 'configuration of the user' },
  {
    ...ofUser,
    id: 'user-config-before',
    path: 'config.toml.version-*',
    ...earlier,
    what: 'files before they were moved to a newer version',
  },
  { ...ofUser, id: 'user-agents', path: 'agents', keeping: 'kept', what: 'agents of the user' },
  { ...ofUser, id: 'user-graphs', path: 'graphs', keeping: 'kept', what: 'graphs of the user' },
  { ...ofUser, id: 'user-programs', path: 'programs', keeping: 'kept', what: 'programs of the user' },
  { ...ofUser, id: 'user-skills', path: 'skills', keeping: 'kept', what: 'skills of the user' },
  { ...ofUser, id: 'user-prompts', path: 'prompts', keeping: 'kept', what: 'commands of the user' },
  { ...ofUser, id: 'shared', path: 'shared', keeping: 'shared', what: 'files of the workspace' },
  { ...ofUser, id: 'vault', path: 'vault', keeping: 'sealed', what: 'the vault' },
  {
    ...ofUser,
    id: 'archive',
    path: 'archive',
    keeping: 'left_out',
    what: 'archives of the journal',
    instead: 'copy the folder yourself: the store no longer has what they have',
  },
  { ...ofUser, id: 'tmp', path: 'tmp', keeping: 'left_out', what: 'scratch files', instead: 'not needed: temporary files' },
  { ...ofUser, id: 'logs', path: 'logs', keeping: 'left_out', what: 'logs', instead: 'the journal has what happened' },
  { ...ofUser, id: 'ipc', path: 'ipc', ...again, what: 'addresses of the guest' },
  { ...ofUser, id: 'hands', path: 'hands', ...again, what: 'what the runner of an isolated guest keeps' },
  {
    ...ofUser,
    id: 'branches',
    path: 'branches',
    keeping: 'left_out',
    what: 'branches of files',
    instead: 'merge them before the backup: oxbow branch merge',
  },
  { ...ofUser, id: 'disk', path: 'disk', ...again, what: 'the disk whose size is limited; its files are in shared' },
  { ...ofUser, id: 'database', path: 'internal/oxbow.db', keeping: 'database', isFile: true, what: 'the database' },
  { ...ofUser, id: 'database-log', path: 'internal/oxbow.db-*', ...again, what: 'log of the database' },
  { ...ofUser, id: 'database-lock', path: 'internal/oxbow.db.lock', ...again, what: 'who writes the database' },
  { ...ofUser, id: 'database-process', path: 'internal/oxbow.db.pid', ...again, what: 'process that writes the database' },
  { ...ofUser, id: 'database-recall', path: 'internal/oxbow.db.recall-*', ...again, what: 'what a search of memory holds' },
  { ...ofUser, id: 'database-rehearsal', path: 'internal/oxbow.db.rehearsing*', ...again, what: 'what a rehearsal of a restore leaves' },
  { ...ofUser, id: 'database-copies', path: 'internal/oxbow.db.*', ...earlier },
  { ...ofUser, id: 'versions', path: 'internal/versions', keeping: 'kept', what: 'versions of files' },
  { ...ofUser, id: 'plugins', path: 'internal/plugins', keeping: 'sealed', what: 'data of plugins' },
  { ...ofUser, id: 'backups', path: 'internal/backups', keeping: 'left_out', what: 'earlier backups', instead: 'copy them yourself' },
  {
    ...ofUser,
    id: 'browser',
    path: 'internal/browser',
    keeping: 'left_out',
    what: 'sign-ins and cookies of browsers',
    instead: 'agents sign in again',
  },
  {
    ...ofUser,
    id: 'machine',
    path: 'internal/micro-vm',
    keeping: 'left_out',
    what: 'disk of the micro VM',
    instead: 'its files in /shared are in the backup once the machine has written them back',
  },
  { ...ofUser, id: 'caches', path: 'internal/*', ...again, what: 'caches of the guest' },
]

/**
 * The item that a path belongs to: the first one that names it.
 * @param path below the home or the user's folder, `/` between its parts @param user whose list of folders is meant
 */
export function homeItemOf(at: HomeItem['at'], path: string, user: string): HomeItem | undefined {
  return homeItems.find((item) => item.at === at && fits(item.path.replace('USER', user), path))
}

function fits(pattern: string, path: string): boolean {
  const [wanted, found] = [pattern.split('/'), path.split('/')]
  return wanted.length === found.length && wanted.every((part, at) => matchesStars(part, found[at] ?? ''))
}

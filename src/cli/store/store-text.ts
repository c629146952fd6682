/** Reports of `oxbow store` as text, and its progress line. */
import { ownValue, plural } from '../../base/index.ts'
import type { HostFolder } from '../../protocol/index.ts'
import type {
  BackupManifest,
  BackupPart,
  BackupPreview,
  BackupReport,
  MigrateReport,
  MoveReport,
  RestorePreview,
  RestoreReport,
  StoreProgress,
  StoreStatus,
  StoreVerifyReport,
  VacuumReport,
} from '../../config/index.ts'
import { columnsOf, printNotice, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { formatBytes, formatMs, formatTime, plainLine, table } from '../../terminal/index.ts'

const states: Readonly<Record<string, string>> = {
  current: 'up to date',
  behind: 'migrations are pending: the next start or `oxbow store migrate` runs them',
  ahead: 'used by a newer Oxbow; this one can read and write it',
  read_only: 'used by a newer Oxbow; this one can only read it',
  too_new: 'used by a newer Oxbow; this one cannot use it',
  changed: "its migrations differ from this Oxbow's",
}

export function describeStatus(status: StoreStatus): string {
  const { where, version, newest, state, pending, bytes, head, rows, vectors, copies } = status
  return [
    `${where}, ${formatBytes(bytes)}`,
    `  version ${version} of ${newest}: ${ownValue(states, state) ?? state}`,
    ...pending.map((step) => `  to run: ${step}`),
    head.seq === 0 ? '  the journal is empty' : `  the journal ends with record ${head.seq} (${head.hash.slice(0, 16)}…)`,
    indented(rowTable(rows)),
    vectors === '' ? '' : `  ${vectors}`,
    ...(copies.length === 0 ? ['  no backup yet: oxbow backup'] : ['  copies and backups:']),
    ...copies.map((copy) => `    ${copy.path}  ${formatBytes(copy.bytes)}`),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

function rowTable(rows: Readonly<Record<string, number>>): string {
  return table(
    Object.entries(rows)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => [name, String(count)]),
  )
}

function indented(text: string): string {
  return text === '' ? '' : text.replaceAll(/^/gm, '    ')
}

export function describeMigration({ from, to, steps, copy, dryRun }: MigrateReport): string {
  if (steps.length === 0) return `Nothing to do: the tables are at version ${from}.`
  const list = steps.map((step) => (step.startsWith('-') ? `  undo ${step.slice(1)}` : `  run ${step}`))
  const did = dryRun ? `From version ${from} to ${to}, these steps would run:` : `From version ${from} to ${to}:`
  return [did, ...list, ...(copy === null ? [] : [`Copy of the previous state: ${copy}`])].join('\n')
}

export function describeBackup({
  path,
  manifest,
  problems,
  removed,
  folders,
}: BackupReport & { readonly folders: readonly HostFolder[] }): string {
  return [
    path,
    `  ${formatBytes(manifest.bytes)}, up to record ${manifest.head.seq}, version ${manifest.schema}`,
    `  BLAKE3 ${manifest.hash}`,
    ...contents(manifest),
    ...folders.map((folder) => `  not in it: ${folder.path}, your folder that agents see as /shared/${folder.name}: copy it yourself`),
    ...removed.map((old) => `  removed ${old}`),
    ...(problems.length === 0
      ? [`To restore it: ${restoring(manifest)} ${path}`]
      : [
          'WARNING: the journal in this backup does not verify:',
          ...problems.map((problem) => `  ${problem}`),
          'Keep your older backups: none was removed. `oxbow audit verify` says more about the store itself.',
          `To restore it as it is: ${restoring(manifest)} ${path} --accept-damage`,
        ]),
  ].join('\n')
}

const restoring = ({ user }: BackupManifest): string => `oxbow restore${user === defaultUser ? '' : ` --user ${user}`}`

export function describeBackupPreview({ path, removed }: BackupPreview): string {
  return [`Would write ${path}.`, ...removed.map((old) => `Would remove ${old}.`), 'Nothing is changed.'].join('\n')
}

/** Contents of a backup besides the database. */
function contents({ parts, leftOut = [] }: BackupManifest): readonly string[] {
  if (parts === undefined) return ['  the database only, no files']
  const lines = parts.map(({ name, files, contentBytes, links, skipped, changed, sealed }) => {
    const what = partNames[name]
    const how = sealed === null ? 'not sealed' : `sealed with ${sealed.key}`
    const odd = [
      ...(links === 0 ? [] : [`${links} links`]),
      ...(skipped === 0 ? [] : [`${skipped} skipped: sockets, pipes or devices`]),
      ...(changed === 0 ? [] : [`${changed} changed while being read`]),
    ]
    return `  ${what}: ${plural(files, 'file')}, ${formatBytes(contentBytes)}, ${[how, ...odd].join('; ')}`
  })
  const keys = [...new Set(parts.flatMap(({ sealed }) => sealed?.key ?? []))]
  return [
    ...lines,
    ...keys.map((key) => `  Keep ${key} (or its passphrase) apart from the backup and do not lose it: nothing else opens what is sealed.`),
    ...leftOut.map(({ path, what, instead }) => `  not in it: ${path}, ${what}: ${instead}`),
  ]
}

const partNames: Readonly<Record<BackupPart['name'], string>> = {
  shared: 'shared',
  kept: 'versions, agents, graphs, skills, plugins and the rest of the installation',
  private: 'vault, configuration, list of folders and data of plugins',
}

/** What does not come back without the key, and how to give it. */
function missingKey({ rows }: BackupManifest, unopened: readonly BackupPart[], path: string): readonly string[] {
  const secrets = rows['secret'] ?? 0
  return unopened.flatMap(({ name, sealed }) => [
    `No key of this home opens a part of the backup, so this does not come back: ${partNames[name]}.`,
    ...(secrets > 0 && !isSigningKey(sealed?.key)
      ? [`Neither can ${secrets} stored ${secrets === 1 ? 'secret' : 'secrets'} be read.`]
      : []),
    `It was sealed with ${sealed?.key ?? 'another key'}: oxbow restore ${path} --replace --key FILE opens it with a copy of that file.`,
  ])
}

/** Only homes without a key of the user seal with it, and so have no secrets. */
const isSigningKey = (file = ''): boolean => file.endsWith('.pem')

/** What a person does not expect to come back, or to be forgotten, with the records after a backup. */
const takenBack = [
  '  API keys and learned rules that were revoked after the backup are valid again, and those made since are gone.',
  '  What was spent after the backup does not count for any budget. `oxbow keys list` and `oxbow budget list` show what is valid then.',
]

export function describePreview({ manifest, where, head, hasRows, files, unopened }: RestorePreview): string {
  const { seq } = manifest.head
  const lost = head > seq ? `; records ${seq + 1} to ${head} are not in the backup` : ''
  const words = {
    new: 'restored',
    replaced: 'replaced; the present files are kept next to it',
    beside: 'left unchanged: the backup is from another store and is restored next to it',
  }
  return [
    `The backup was made at ${formatTime(manifest.madeAt)} and contains:`,
    `  the database up to record ${seq}, ${formatBytes(manifest.bytes)}`,
    ...contents(manifest),
    'A restore changes:',
    `  ${where}: ${hasRows ? `replaced; the present store is kept${lost}` : 'restored'}`,
    ...(hasRows && head !== seq ? takenBack : []),
    ...files.map(({ path, change }) => `  ${path}: ${words[change]}`),
    ...unopened.map(({ name }) => `  left out, because no key of this home opens it: ${partNames[name]}`),
  ].join('\n')
}

interface Rehearsal extends RestorePreview {
  readonly running_pid: number | null
  readonly needs_replace: boolean
}

export function describeRehearsal(rehearsal: Rehearsal): string {
  const { problems, where, hasRows, running_pid: pid, needs_replace: needsReplace } = rehearsal
  const present = hasRows ? `The store ${where} is not empty` : 'Files are replaced'
  const steps = [
    ...(pid === null ? [] : [`Oxbow runs: stop it with \`oxbow stop\`, or close the terminal that started it (process ${pid})`]),
    ...(needsReplace ? [`${present}: a restore is refused without --replace, which keeps a copy of the present state`] : []),
  ]
  return [
    describePreview(rehearsal),
    '',
    ...(problems.length === 0 ? [] : ['Not proven, and to be recorded with the restore:', ...problems.map((problem) => `  ${problem}`)]),
    'The backup was checked as a restore would check it. Nothing was changed.',
    ...(steps.length === 0 ? ['Nothing stands in the way of the restore.'] : ['Before the restore:', ...steps.map((step) => `  ${step}`)]),
  ].join('\n')
}

export function describeRestore({
  from,
  where,
  manifest,
  problems,
  replaced,
  files,
  unopened,
  proven,
  plugins_disabled: disabled,
  previous_key: previousKey,
}: RestoreReport & { readonly plugins_disabled: number; readonly previous_key: string | null }): string {
  return [
    `${where} is restored to ${formatTime(manifest.madeAt)}, up to record ${manifest.head.seq}.`,
    ...(problems.length === 0 ? [] : ['Not proven, and recorded with this restore:', ...problems.map((problem) => `  ${problem}`)]),
    ...(replaced === null ? [] : [`The previous store is kept: ${replaced}`]),
    ...(previousKey === null ? [] : [`The key of the previous state is kept, and nothing else opens what it sealed: ${previousKey}`]),
    ...files.map(({ path, kept }) => `${path} is restored${kept === null ? '' : `; the previous files are kept: ${kept}`}`),
    ...(manifest.parts === undefined ? ['The backup contains no files; the files of the workspace are unchanged.'] : []),
    ...missingKey(manifest, unopened, from),
    ...(proven || unopened.length > 0 || manifest.parts === undefined
      ? []
      : [
          'Nothing proves that the backup is as this installation made it: look at its agents, graphs and skills before you use them.' +
            (manifest.proof === undefined ? ' An older version made it, without a proof.' : ''),
        ]),
    ...(disabled === 0
      ? []
      : [
          `${disabled === 1 ? '1 plugin is' : `${disabled} plugins are`} disabled, because nothing proves who approved their rights: oxbow plugin enable NAME`,
        ]),
    ...(manifest.leftOut ?? []).map(({ path, what, instead }) => `Not in the backup: ${path}, ${what}: ${instead}`),
  ].join('\n')
}

export function describeCheck({ ok, where, checked, problems }: StoreVerifyReport): string {
  if (ok) return `${where}: no problems found (${checked.join(', ')}).`
  return [`${where}:`, ...problems.flatMap(({ what, todo }) => [`  ${what}`, `    ${todo}`])].join('\n')
}

export function describeVacuum({ where, bytesBefore, bytesAfter, vectors, ms }: VacuumReport): string {
  const sizes = `${where}: ${formatBytes(bytesBefore)} before, ${formatBytes(bytesAfter)} after, in ${formatMs(ms)}.`
  return vectors === '' ? sizes : `${sizes}\n  ${vectors}`
}

export function describeMove({ from, to, rows, resumed, configure, kept, ms }: MoveReport): string {
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0)
  return [
    `${total} rows were moved from ${from} to ${to}${resumed ? ', resuming an earlier move' : ''}; tables compared and journal verified (${formatMs(ms)}).`,
    indented(rowTable(rows)),
    'To use it, set in config.toml:',
    `  ${configure}`,
    ...(kept === null ? [] : [`The previous file is kept: ${kept}`]),
    'The old store is unchanged. Keep it until you trust the new one.',
  ].join('\n')
}

/** On a node of a cluster the workspace is of when the user was there last. */
export function filesElsewhere(user: string): string {
  return `warning: ${user} does not run on this node, and the files in this backup are of when ${user} was here last. Where they are now: oxbow cluster where ${user}`
}

/** @param users whose store was not moved */
export function describeLeft(url: string, users: readonly string[]): readonly string[] {
  if (users.length === 0) return []
  return [
    'What other users of this home have is in their files still. Move each before you set it:',
    ...users.map((user) => `  oxbow store move ${url} --user ${user}`),
  ]
}

// Progress: one line that is redrawn on a terminal, one line per step elsewhere.

export interface ProgressBar {
  show(progress: StoreProgress): void
  /** Removes the line. */
  end(): void
}

const barChars = 24
const nameChars = 32

export function openProgress(terminal: Terminal, quiet: boolean): ProgressBar {
  if (quiet) return { show: () => {}, end: () => {} }
  if (!terminal.errors.isTTY) return plainProgress(terminal)
  let drawn = false
  return {
    show(progress) {
      // A wider line would wrap, and only its last row could be redrawn.
      terminal.errors.write(`\r\u001b[K${barText(progress).slice(0, columnsOf(terminal.errors) - 1)}`)
      drawn = true
    },
    end() {
      if (drawn) terminal.errors.write('\r\u001b[K')
    },
  }
}

/** In a log, each step gets one line. */
function plainProgress(terminal: Terminal): ProgressBar {
  let last = ''
  return {
    show({ progress, total }) {
      if (progress === last) return
      last = progress
      printNotice(terminal, `${plainLine(progress, nameChars)}${total === 0 ? '' : ` (${total})`} …`)
    },
    end() {},
  }
}

function barText({ progress, done, total }: StoreProgress): string {
  const name = plainLine(progress, nameChars).padEnd(nameChars)
  if (total === 0) return `${name} …`
  const part = Math.min(1, done / total)
  const full = Math.round(part * barChars)
  return `${name} [${'#'.repeat(full)}${'.'.repeat(barChars - full)}] ${String(Math.floor(part * 100)).padStart(3)} %  ${done} of ${total}`
}

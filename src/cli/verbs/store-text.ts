/** Reports and progress of `oxbow store`. */
import type {
  BackupManifest,
  BackupReport,
  MigrateReport,
  MoveReport,
  RestorePreview,
  RestoreReport,
  StoreProgress,
  StoreStatus,
  StoreVerifyReport,
  VacuumReport,
} from '../../types/index.ts'
import { columnsOf, printNotice, type Terminal } from '../terminal.ts'
import { formatBytes, formatMs, formatTime, plainLine, table } from '../view/terminal-text.ts'

const states: Readonly<Record<string, string>> = {
  current: 'up to date',
  behind: 'steps have still to run: the next start, or `oxbow store migrate`, runs them',
  ahead: 'a newer Oxbow has used it; this one may read and write it',
  read_only: 'a newer Oxbow has used it; this one may only read it',
  too_new: 'a newer Oxbow has used it; this one may not use it',
  changed: 'its steps are not those of this Oxbow',
}

export function describeStatus(status: StoreStatus): string {
  const { where, version, newest, state, pending, bytes, head, rows, vectors, copies } = status
  return [
    `${where}, ${formatBytes(bytes)}`,
    `  version ${version} of ${newest}: ${states[state] ?? state}`,
    ...pending.map((step) => `  to run: ${step}`),
    head.seq === 0 ? '  the journal is empty' : `  the journal ends with record ${head.seq} (${head.hash.slice(0, 16)}…)`,
    indented(rowTable(rows)),
    vectors === '' ? '' : `  ${vectors}`,
    ...(copies.length === 0 ? ['  no backup yet: oxbow store backup'] : ['  copies and backups:']),
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
  if (steps.length === 0) return `Nothing to do: the tables have version ${from}.`
  const list = steps.map((step) => (step.startsWith('-') ? `  take back ${step.slice(1)}` : `  run ${step}`))
  const did = dryRun ? `From version ${from} to ${to} these steps would run:` : `From version ${from} to ${to}:`
  return [did, ...list, ...(copy === null ? [] : [`A copy of what was there: ${copy}`])].join('\n')
}

export function describeBackup({ path, manifest, removed }: BackupReport): string {
  return [
    path,
    `  ${formatBytes(manifest.bytes)}, up to record ${manifest.head.seq}, version ${manifest.schema}`,
    `  BLAKE3 ${manifest.hash}`,
    ...contents(manifest),
    ...removed.map((old) => `  removed ${old}`),
    `To put it back: oxbow store restore ${path}`,
  ].join('\n')
}

/** What is in a backup beside the database. */
function contents({ parts }: BackupManifest): readonly string[] {
  if (parts === undefined) return ['  the database only, no files']
  const lines = parts.map(({ name, files, contentBytes, links, skipped, changed, sealed }) => {
    const what = name === 'shared' ? 'shared' : 'vault and configuration'
    const how = sealed === null ? 'not sealed' : `sealed with ${sealed.key}`
    const odd = [
      ...(links === 0 ? [] : [`${links} links`]),
      ...(skipped === 0 ? [] : [`${skipped} left out: sockets, pipes or devices`]),
      ...(changed === 0 ? [] : [`${changed} changed while they were read`]),
    ]
    return `  ${what}: ${files} files, ${formatBytes(contentBytes)}, ${[how, ...odd].join('; ')}`
  })
  return parts.some(({ sealed }) => sealed !== null)
    ? [...lines, '  Keep that key, or its passphrase, with the backup: nothing else opens what is sealed.']
    : lines
}

export function describePreview({ manifest, where, head, hasRows, files }: RestorePreview): string {
  const { seq } = manifest.head
  const lost = head > seq ? `; records ${seq + 1} to ${head} are not in the backup` : ''
  const words = {
    new: 'put in place',
    replaced: 'replaced; what is there is kept beside it',
    beside: 'left as it is: its backup is for another store, and goes beside it',
  }
  return [
    `The backup was made at ${formatTime(manifest.madeAt)} and has:`,
    `  the database up to record ${seq}, ${formatBytes(manifest.bytes)}`,
    ...contents(manifest),
    'A restore changes:',
    `  ${where}: ${hasRows ? `replaced; what is there is kept${lost}` : 'put in place'}`,
    ...files.map(({ path, change }) => `  ${path}: ${words[change]}`),
  ].join('\n')
}

export function describeRestore({ where, manifest, replaced, files }: RestoreReport): string {
  return [
    `${where} is what it was at ${formatTime(manifest.madeAt)}, up to record ${manifest.head.seq}.`,
    ...(replaced === null ? [] : [`What was there is kept: ${replaced}`]),
    ...files.map(({ path, kept }) => `${path} is restored${kept === null ? '' : `; what was there is kept: ${kept}`}`),
    ...(manifest.parts === undefined ? ['The backup has no files; those of the workspace are as they were.'] : []),
  ].join('\n')
}

export function describeCheck({ ok, where, checked, problems }: StoreVerifyReport): string {
  if (ok) return `${where}: nothing is wrong (${checked.join(', ')}).`
  return [`${where}:`, ...problems.flatMap(({ what, todo }) => [`  ${what}`, `    ${todo}`])].join('\n')
}

export function describeVacuum({ where, bytesBefore, bytesAfter, vectors, ms }: VacuumReport): string {
  const room = `${where}: ${formatBytes(bytesBefore)} before, ${formatBytes(bytesAfter)} after, in ${formatMs(ms)}.`
  return vectors === '' ? room : `${room}\n  ${vectors}`
}

export function describeMove({ from, to, rows, resumed, configure, kept, ms }: MoveReport): string {
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0)
  return [
    `${total} rows of ${from} are in ${to} now${resumed ? ', begun by an earlier move' : ''}; each table compared, the journal verified (${formatMs(ms)}).`,
    indented(rowTable(rows)),
    'To use it, set in config.toml:',
    `  ${configure}`,
    ...(kept === null ? [] : [`The file that was there is kept: ${kept}`]),
    'What was here is as it was. Keep it until the new place has proved itself.',
  ].join('\n')
}

// Progress: one line drawn over itself on a terminal, one line per step elsewhere.

export interface ProgressBar {
  show(progress: StoreProgress): void
  /** Takes the line away again. */
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
      // Of a line that is wider, only the last row could be drawn over.
      terminal.errors.write(`\r\u001b[K${barText(progress).slice(0, columnsOf(terminal.errors) - 1)}`)
      drawn = true
    },
    end() {
      if (drawn) terminal.errors.write('\r\u001b[K')
    },
  }
}

/** Where lines are kept, e.g. in a log, a step is worth one. */
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

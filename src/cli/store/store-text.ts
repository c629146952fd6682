/** Reports of `oxbow store` in words. */
import type {
  BackupReport,
  MigrateReport,
  MoveReport,
  RestoreReport,
  StoreStatus,
  StoreVerifyReport,
  VacuumReport,
} from '../../types/index.ts'
import { formatBytes, formatMs, formatTime, table } from '../view/text-format.ts'

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
    ...removed.map((old) => `  removed ${old}`),
    `To put it back: oxbow store restore ${path}`,
  ].join('\n')
}

export function describeRestore({ where, manifest, replaced }: RestoreReport): string {
  return [
    `${where} is what it was at ${formatTime(manifest.madeAt)}, up to record ${manifest.head.seq}.`,
    ...(replaced === null ? [] : [`What stood there is kept: ${replaced}`]),
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

export function describeMove({ from, to, rows, resumed, configure, ms }: MoveReport): string {
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0)
  return [
    `${total} rows of ${from} are in ${to} now${resumed ? ', begun by an earlier move' : ''}; each table compared, the journal verified (${formatMs(ms)}).`,
    indented(rowTable(rows)),
    'To use it, set in config.toml:',
    `  ${configure}`,
    'What was here is as it was. Keep it until the new place has proved itself.',
  ].join('\n')
}

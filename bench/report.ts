/** What a measure reports, and the Markdown made of it. */
import type { MachineFacts } from './machine-facts.ts'

export interface Row {
  readonly what: string
  readonly measured: string
  /** The raw baseline of the same run, or what else the figure is compared with; empty without a comparison. */
  readonly beside: string
  /** Empty for figures that are only shown. */
  readonly bound: string
  /** Null where there is no bound; a reason where the figure cannot say whether it is met. */
  readonly met: boolean | null | 'search skipped'
}

export interface Section {
  readonly title: string
  /** One sentence: how it was measured. */
  readonly how: string
  readonly rows: readonly Row[]
  readonly seconds: number
}

/** A figure with its bound. */
export function bounded(what: string, measured: string, beside: string, bound: string, met: boolean): Row {
  return { what, measured, beside, bound, met }
}

/** What recall adds to turns whose search is skipped, because all their words are common: it says nothing about the bound. */
export function unsearched(what: string, measured: string, beside: string, bound: string): Row {
  return { what, measured, beside, bound, met: 'search skipped' }
}

/** A figure that is only shown. */
export function shown(what: string, measured: string, beside = ''): Row {
  return { what, measured, beside, bound: '', met: null }
}

/** Three significant digits, thousands kept readable. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return String(Number(value.toPrecision(3)))
}

export const ms = (value: number): string => `${figure(value)} ms`
export const perSecond = (value: number): string => `${figure(value)}/s`
export const times = (value: number): string => `${value.toFixed(2)} ×`
export const megabytes = (bytes: number): string => `${figure(bytes / 1e6)} MB`

const verdict = (met: Row['met']): string => (met === null ? '' : typeof met === 'string' ? met : met ? 'met' : '**not met**')

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

export function sectionText({ title, how, rows, seconds }: Section): string {
  const head = [line(['what', 'measured', 'compared with', 'bound', '']), line(['---', '---', '---', '---', '---'])]
  const body = rows.map((row) => line([row.what, row.measured, row.beside, row.bound, verdict(row.met)]))
  return [`### ${title}`, '', `${how} (${seconds.toFixed(0)} s)`, '', ...head, ...body, ''].join('\n')
}

export function machineText(facts: MachineFacts): string {
  const rows = Object.entries(facts).map(([name, value]) => line([name, value]))
  return [line(['machine', '']), line(['---', '---']), ...rows, ''].join('\n')
}

/** What falls short, one line each; a sentence when nothing does. */
export function shortfallText(sections: readonly Section[]): string {
  const short = sections.flatMap(({ rows }) => rows.filter((row) => row.met === false))
  if (short.length === 0) return 'Every bound is met in this run.\n'
  return short.map((row) => `- ${row.what}: ${row.measured}${row.beside && ` (${row.beside})`}; bound ${row.bound}\n`).join('')
}

/** `oxbow audit verify FILE`: an export or an archive, by the program that shares no code with Oxbow, with the key of this home. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadArchives, sealOf } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { JournalRecord } from '../../protocol/index.ts'
import { guestSetup, reportOf } from '../guest-connection.ts'
import { printFailure, printLine, printText, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'
import type { AuditOptions } from '../verbs/audit.ts'

type FileReport =
  | { readonly ok: false; readonly error: string }
  | {
      readonly ok: true
      readonly user: string
      readonly after: number
      readonly seq: number
      readonly hash: string
      readonly records: number
      readonly blobs: number
      readonly heads: number
    }

interface Verifier {
  linesOf(file: string): AsyncIterable<string>
  verifyExport(lines: AsyncIterable<string>, key: string): Promise<FileReport>
}

const isBuilt = import.meta.url.endsWith('.js')

/** @param file a path, or the name of an archive of the user @returns 0, or the code of `audit_failed` */
export async function auditVerifyFile(file: string, options: AuditOptions, terminal: Terminal): Promise<number> {
  const setup = guestSetup(options, terminal)
  const path = [file, join(setup.workspace.root, 'archive', file)].find((each) => existsSync(each))
  if (path === undefined)
    throw new OxbowError('not_found', `There is no file ${file}, and no archive of this name.`, {
      hint: 'oxbow audit archives lists them.',
    })
  const place = new URL(isBuilt ? '../bin/oxbow-verify.js' : '../../../bin/oxbow-verify.js', import.meta.url)
  const { linesOf, verifyExport } = (await import(place.href)) as Verifier
  const { archiveLines, isSealedFile } = await loadArchives()
  const { home, config, workspace } = setup
  const keyPlace = { home, config, user: workspace.user, env: terminal.env }
  const report = await verifyExport(
    isSealedFile(path) ? archiveLines(keyPlace, path) : linesOf(path),
    (await sealOf(setup.home, setup.workspace.user)).publicKey,
  )
  const problem = report.ok ? await differs(report, setup) : report.error
  if (options.json === true)
    printLine(terminal, JSON.stringify({ ...report, file: path, ok: problem === '', ...(problem !== '' && { error: problem }) }))
  if (problem !== '')
    return printFailure(terminal, {
      code: 'audit_failed',
      message: `${path} does not verify: ${problem}`,
      hint: 'Use another copy of the file.',
    })
  if (options.json === true || !report.ok) return 0
  const { after, seq, records, blobs, heads } = report
  printText(
    terminal,
    plainText(
      `The file verifies, and is of this journal.\n  records ${after + 1} to ${seq}: ${records} records, ${blobs} contents and ${heads} signed heads, signed with the key of this home`,
    ),
  )
  return 0
}

/** The file holds by itself; its last record must be the one that the journal has. @returns empty where it is */
async function differs({ user, seq, hash }: FileReport & { ok: true }, setup: Parameters<typeof reportOf>[0]): Promise<string> {
  if (user !== setup.workspace.user) return `it is the journal of ${user}`
  const found = await reportOf<JournalRecord>(setup, { command: 'audit-show', after: seq - 1, limit: 1 }).catch(() => null)
  if (found?.seq === seq && found.hash === hash) return ''
  return found === null ? `this journal has no record ${seq}` : `record ${seq} of this journal is another one`
}

/** `docs/errors.md`, from the error table. */
import { errorTable } from '../../src/base/index.ts'
import { code, page, table } from './markdown.ts'

const retryAdvice = {
  no: 'no: the same call fails again',
  later: 'later: the same call may pass',
  changed: 'changed: pass something else',
} as const

export function errorPage(): string {
  const rows = Object.entries(errorTable).map(([name, facts]) => [
    code(name),
    facts.meaning,
    retryAdvice[facts.retry],
    String(facts.http),
    String(facts.exit),
  ])
  return page(
    '# Errors',
    'Every failure has one of these codes, a message that says what happened with what, and a hint that says what to do next. The codes are the same in the journal, in frames of the gateway, in what a model reads and in `--json` output.',
    'Retry says what the caller can do. HTTP is the status that the gateway answers with. Exit is the exit code of the command line; 0 is success and 1 is a bug in Oxbow.',
    table(['code', 'meaning', 'retry', 'HTTP', 'exit'], rows),
  )
}

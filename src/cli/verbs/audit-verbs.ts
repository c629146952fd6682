/** `oxbow calls` and `oxbow audit`: what can be called, and what was. */
import { type AddVerbs, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

export const addAuditVerbs: AddVerbs = (program, terminal, choose) => {
  userVerb(program.command('calls [name]'), 'list every system call with its tier and right; with a name, its input')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow calls', 'oxbow calls file.edit'))
    .action((name, options) => choose(async () => (await import('./calls.ts')).calls(name, options, terminal)))

  const audit = verbGroup(program.command('audit'), 'check and read the journal', 'oxbow audit verify', 'oxbow audit show --limit 20')
  userVerb(audit.command('verify'), 'check chain, signed heads and completeness of the journal')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', examples('oxbow audit verify', 'oxbow audit verify --json'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditVerify(options, terminal)))
  userVerb(audit.command('show'), 'print records of the journal, the newest ones unless --after is given')
    .option('--session <id>', 'records of this session only; the beginning of its id is enough')
    .option('--after <seq>', 'begin after this record', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'most records to print', parseCount(Number.MAX_SAFE_INTEGER), 50)
    .option('--json', 'print one whole record a line')
    .addHelpText('after', examples('oxbow audit show', 'oxbow audit show --after 100 --limit 1000 --json'))
    .action((options) => choose(async () => (await import('./audit.ts')).auditShow(options, terminal)))
  userVerb(audit.command('recording <session>'), 'print the exchanges of a session with its models, for the replay model')
    .addHelpText('after', examples('oxbow audit recording 019a > session.jsonl'))
    .action((session, options) => choose(async () => (await import('./audit.ts')).auditRecording(session, options, terminal)))
}

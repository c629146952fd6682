/** `oxbow memory tidy`, `report` and `undo`. */
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { examples, userVerb, type Verb } from '../verb-parts.ts'
import { askAndPrint } from './memory-ask.ts'

export function addTidyVerbs(memory: Command, terminal: Terminal, choose: (verb: Verb) => void): void {
  userVerb(memory.command('tidy'), 'learn facts from what was said, join what says the same, and let the rest fade')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory tidy'))
    .action((options) => choose(() => askAndPrint({ name: 'memory.tidy', input: {} }, options, terminal)))
  userVerb(memory.command('report [id]'), 'show what tidying has changed, the newest time unless an id is given')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory report'))
    .action((id, options) =>
      choose(() => askAndPrint({ name: 'memory.report', input: id === undefined ? {} : { report: id } }, options, terminal)),
    )
  userVerb(memory.command('undo <id>'), 'take back what tidying has changed, by the id of its report')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory undo 019a8f0e-…'))
    .action((id, options) => choose(() => askAndPrint({ name: 'memory.undo', input: { report: id } }, options, terminal)))
}

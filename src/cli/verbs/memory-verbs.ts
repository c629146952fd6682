/** `oxbow memory`: what a person asks of memory and says about it. */
import { type AddVerbs, collect, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

/** As many as the call gives at once. */
const maxResults = 20

export const addMemoryVerbs: AddVerbs = (program, terminal, choose) => {
  const memory = verbGroup(
    program.command('memory'),
    'look into memory, correct it, and forget',
    'oxbow memory search "which editor"',
    'oxbow memory add "I prefer Helix." --tag tools',
    'oxbow memory why note-1f0a…',
  )
  addLooking(memory, terminal, choose)
  addChanging(memory, terminal, choose)
  addMoving(memory, terminal, choose)
  addTidying(memory, terminal, choose)
}

const addLooking: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('search <words...>'), 'find what was noted, ingested and said')
    .option('--limit <n>', 'most results', parseCount(maxResults), 5)
    .option('--tag <tag>', 'only what has this tag; may be given again', collect)
    .option('--notes', 'leave out what was said in conversations')
    .option('--as-of <date>', 'what held at that time, e.g. 2026-11-21')
    .option('--why', 'show what each result was found by')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', examples('oxbow memory search where do I live', 'oxbow memory search address --as-of 2024-06-01 --json'))
    .action((words, options) => choose(async () => (await import('./memory.ts')).memorySearch(words, options, terminal)))
  userVerb(memory.command('why <id>'), 'show where a memory comes from, and what corrects it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory why note-1f0a22c4b7d91e05'))
    .action((id, options) => choose(async () => (await import('./memory.ts')).memoryWhy(id, options, terminal)))
  userVerb(memory.command('stats'), 'show how much is remembered, and how far indexing has come')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory stats'))
    .action((options) => choose(async () => (await import('./memory.ts')).memoryStats(options, terminal)))
}

const addChanging: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('add <text...>'), 'note a fact for all later sessions')
    .option('--tag <tag>', 'a tag; may be given again', collect)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory add "I prefer Helix." --tag tools'))
    .action((text, options) => choose(async () => (await import('./memory.ts')).memoryAdd(text, options, terminal)))
  userVerb(memory.command('edit <id> [text...]'), 'rewrite a note, or say something about it')
    .option('--supersede', 'the text holds now; what stood there held before')
    .option('--from <date>', 'with --supersede: since when; alone: from when on it holds')
    .option('--to <date>', 'until when it holds')
    .option('--tag <tag>', 'its tags from now on; may be given again', collect)
    .option('--confirm [id]', 'it is right, by your word or by another memory')
    .option('--contradicts <id>', 'it is at odds with another memory')
    .option('--trust', 'you have checked it: it counts as written by others no longer')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow memory edit note-1f0a… "I live in Busan." --supersede --from 2026-03-01', 'oxbow memory edit note-1f0a… --trust'),
    )
    .action((id, text, options) => choose(async () => (await import('./memory.ts')).memoryEdit(id, text, options, terminal)))
  userVerb(memory.command('pin <id>'), 'keep a note or a fact from fading')
    .option('--undo', 'take the pin off')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory pin note-1f0a…', 'oxbow memory pin note-1f0a… --undo'))
    .action((id, options) => choose(async () => (await import('./memory.ts')).memoryPin(id, options, terminal)))
  userVerb(memory.command('forget [ids...]'), 'erase something for good, from memory and from the journal')
    .option('--text <phrase>', 'everything that says this')
    .option('--yes', 'do it; without it, what would go is listed')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory forget note-1f0a…', 'oxbow memory forget --text "the safe opens with" --yes'))
    .action((ids, options) => choose(async () => (await import('./memory.ts')).memoryForget(ids, options, terminal)))
}

const addMoving: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('ingest <path>'), 'keep a file or a folder of the workspace in memory')
    .option('--tag <tag>', 'a tag; may be given again', collect)
    .option('--trust', 'you vouch for it: it does not count as written by others')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory ingest /shared/docs', 'oxbow memory ingest /shared/handbook.pdf --tag handbook --trust'))
    .action((path, options) => choose(async () => (await import('./memory.ts')).memoryIngest(path, options, terminal)))
  userVerb(memory.command('export [file]'), 'write memories as JSON lines, to a new file or to the output')
    .addHelpText('after', examples('oxbow memory export memory.jsonl', 'oxbow memory export | gzip > memory.jsonl.gz'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryExport(file, options, terminal)))
  userVerb(memory.command('import <file>'), 'take in memories that were exported')
    .option('--overwrite', 'replace what is there with another content')
    .option('--untrusted', 'they are from somebody else: they count as written by others')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory import memory.jsonl'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryImport(file, options, terminal)))
  userVerb(memory.command('reindex'), 'read everything again into memory, and make all vectors again')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory reindex'))
    .action((options) => choose(async () => (await import('./memory.ts')).memoryReindex(options, terminal)))
}

const addTidying: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('tidy'), 'learn facts from what was said, join what says the same, and let the rest fade')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory tidy'))
    .action((options) =>
      choose(async () => (await import('./memory.ts')).askAndPrint({ name: 'memory.tidy', input: {} }, options, terminal)),
    )
  userVerb(memory.command('report [id]'), 'show what tidying has changed, the newest time unless an id is given')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory report'))
    .action((id, options) =>
      choose(async () =>
        (await import('./memory.ts')).askAndPrint(
          { name: 'memory.report', input: id === undefined ? {} : { report: id } },
          options,
          terminal,
        ),
      ),
    )
  userVerb(memory.command('undo <id>'), 'take back what tidying has changed, by the id of its report')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory undo 019a8f0e-…'))
    .action((id, options) =>
      choose(async () => (await import('./memory.ts')).askAndPrint({ name: 'memory.undo', input: { report: id } }, options, terminal)),
    )
}

/** Definitions of `oxbow memory` and its verbs. */
import { Option } from 'commander'
import { type AddVerbs, collect, examples, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

/** Maximum of the call. */
const maxResults = 20

export const addMemoryVerbs: AddVerbs = (program, terminal, choose) => {
  const memory = verbGroup(
    program.command('memory'),
    'search, correct and forget memories',
    'oxbow memory search "which editor"',
    'oxbow memory add "I prefer Helix." --tag tools',
    'oxbow memory why note-1f0a…',
  )
  addLooking(memory, terminal, choose)
  addChanging(memory, terminal, choose)
  addMoving(memory, terminal, choose)
}

const addLooking: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('search <words...>'), 'search notes, documents and conversations')
    .option('--limit <n>', 'maximum number of results', parseCount(maxResults), 5)
    .option('--tag <tag>', 'only with this tag; repeat for more', collect)
    .option('--notes', 'leave out conversations')
    .option('--as-of <date>', 'search memory as of this date, e.g. 2026-11-21')
    .option('--why', 'show why each result was found')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', examples('oxbow memory search where do I live', 'oxbow memory search address --as-of 2024-06-01 --json'))
    .action((words, options) => choose(async () => (await import('./memory.ts')).memorySearch(words, options, terminal)))
  userVerb(memory.command('why <id>'), 'show where a memory comes from and what corrects it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory why note-1f0a22c4b7d91e05'))
    .action((id, options) => choose(async () => (await import('./memory.ts')).memoryWhy(id, options, terminal)))
  userVerb(memory.command('stats'), 'show the size of memory and the state of the index')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory stats'))
    .action((options) => choose(async () => (await import('./memory.ts')).memoryStats(options, terminal)))
}

const addChanging: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('add <text...>'), 'add a note for all later sessions')
    .option('--tag <tag>', 'add a tag; repeat for more', collect)
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory add "I prefer Helix." --tag tools'))
    .action((text, options) => choose(async () => (await import('./memory.ts')).memoryAdd(text, options, terminal)))
  userVerb(memory.command('edit <id> [text...]'), 'edit or annotate a memory')
    .option('--supersede', 'keep the old text as history')
    .option('--from <date>', 'valid from this date')
    .option('--to <date>', 'valid until this date')
    .option('--tag <tag>', 'replace the tags; repeat for more', collect)
    .option('--confirm [id]', 'mark as confirmed, by you or by another memory')
    .option('--contradicts <id>', 'mark as contradicting another memory')
    .option('--trust', 'remove the untrusted label')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      examples('oxbow memory edit note-1f0a… "I live in Busan." --supersede --from 2026-03-01', 'oxbow memory edit note-1f0a… --trust'),
    )
    .action((id, text, options) => choose(async () => (await import('./memory.ts')).memoryEdit(id, text, options, terminal)))
  userVerb(memory.command('pin <id>'), 'keep a memory from fading')
    .option('--undo', 'unpin')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory pin note-1f0a…', 'oxbow memory pin note-1f0a… --undo'))
    .action((id, options) => choose(async () => (await import('./memory.ts')).memoryPin(id, options, terminal)))
  userVerb(memory.command('forget [ids...]'), 'erase memories for good, also from the journal')
    .addOption(new Option('--dry-run', 'show what would be erased, and stop; also what happens without --yes').conflicts('yes'))
    .option('--text <phrase>', 'erase everything that contains this phrase')
    .option('--yes', 'erase; without it, list what would be erased')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory forget note-1f0a…', 'oxbow memory forget --text "the safe opens with" --yes'))
    .action((ids, options) => choose(async () => (await import('./memory.ts')).memoryForget(ids, options, terminal)))
}

const addMoving: AddVerbs = (memory, terminal, choose) => {
  userVerb(memory.command('ingest <path>'), 'add a file or folder of the workspace to memory')
    .option('--tag <tag>', 'add a tag; repeat for more', collect)
    .option('--trust', 'add without the untrusted label')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory ingest /shared/docs', 'oxbow memory ingest /shared/handbook.pdf --tag handbook --trust'))
    .action((path, options) => choose(async () => (await import('./memory.ts')).memoryIngest(path, options, terminal)))
  userVerb(memory.command('export [file]'), 'export memories as JSON lines')
    .option('--json', 'with a file: print one JSON object at the end; otherwise the output is JSON anyway')
    .addHelpText('after', examples('oxbow memory export memory.jsonl', 'oxbow memory export | gzip > memory.jsonl.gz'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryExport(file, options, terminal)))
  userVerb(memory.command('import <file>'), 'import exported memories')
    .option('--overwrite', 'replace memories that differ')
    .option('--untrusted', 'add the untrusted label')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory import memory.jsonl'))
    .action((file, options) => choose(async () => (await import('./memory.ts')).memoryImport(file, options, terminal)))
  userVerb(memory.command('reindex'), 'rebuild the index and all vectors')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('oxbow memory reindex'))
    .action((options) => choose(async () => (await import('./memory.ts')).memoryReindex(options, terminal)))
}

/** Grammar of requests about files: list, read, search and summarise, then write, append, edit and delete. */
import { fullPath, type Rule, type Sentence, unsaid } from './command.ts'

const where = String.raw`(?:in|inside|of|under|within|at|from|on)`
const filler =
  /\b(?:all|the|my|me|our|every|files?|folders?|directory|directories|contents?|everything|here|there|that|are|is|available|exist|recursively|please|in|this|workspace|current|named|called|matching)\b/gi

const deep = 5
const shallow = 1

const summarise: Rule = (body, sentence) => {
  const found =
    /^(?:summari[sz]e|sum\s+up|digest|(?:give|show|tell|write|make)\s+(?:me\s+)?(?:a|an|the)\s+(?:short\s+|brief\s+|quick\s+)?(?:summary|overview|digest)(?:\s+of)?|(?:summary|overview)(?:\s+of)?|describe|what\s+are\s+(?:the|these)\s+files\s+about)\b\s*([\s\S]*)$/i.exec(
      body,
    )
  if (found === null) return null
  return { kind: 'summarise', path: pathAmong(found[1] ?? '', sentence) }
}

const list: Rule = (body, sentence) => {
  const named =
    /^(?:find|list|show|search(?: for)?|locate)\s+(?:me\s+)?(?:all\s+)?(?:the\s+|my\s+)?files?\s+(?:named|called|matching|like)\s+(\S+)(?:\s+(?:in|under)\s+([\s\S]+))?$/i.exec(
      body,
    )
  if (named !== null) {
    return { kind: 'list', path: fullPath(named[2] ?? '', sentence), depth: deep, named: sentence.fill(named[1] ?? '') }
  }
  const verb = /^(?:list|ls|dir|tree)\b([\s\S]*)$/i.exec(body)
  const shown =
    /^(?:show|display|print|see|view|give|tell)\s+(?:me\s+)?(?:all\s+|what\s+)?(?:of\s+)?(?:the\s+|my\s+|our\s+|these\s+)?(?:files?|folders?|director(?:y|ies)|contents\s+of\s+(?:the\s+|this\s+)?(?:folder|directory|workspace))\b(?!\s+\S*[\w\0]\.\w)([\s\S]*)$/i.exec(
      body,
    )
  const question =
    /^(?:what|which)\s+(?:files?|folders?|else)\b([\s\S]*)$/i.exec(/contain|mention|have the/i.test(body) ? '' : body) ??
    /^what(?:'s|’s|\s+is)\s+(?:here|there|in\s+(?:here|there|(?:the|this|my)\s+(?:folder|directory|workspace)|\/(?:shared|tmp)\b))([\s\S]*)$/i.exec(
      body,
    )
  const rest = verb?.[1] ?? shown?.[1] ?? question?.[1]
  if (rest === undefined) return null
  const recursive = /\brecursive|\ball\b|\beverything\b|\s-\w*R|^tree\b|\btree\b/i.test(body)
  const tmp = /\/tmp\b/.test(body) && !/\/tmp\//.test(body)
  return { kind: 'list', path: tmp ? '/tmp' : pathAmong(rest, sentence), depth: recursive ? deep : shallow, named: '' }
}

const read: Rule = (body, sentence) => {
  const found =
    /^(?:read|cat|show|open|view|display|print|type|head|tail|see|look\s+(?:at|into)|what(?:'s|’s|\s+is)\s+in|what\s+does|let\s+me\s+see|give\s+me|more|less)\b\s*([\s\S]*)$/i.exec(
      body,
    )
  if (found === null) return null
  const { rest, fromLine, maxLines } = takeLines(found[1] ?? '')
  const target = rest
    .replace(/^(?:\s*(?:me|out|from|of|the|my|file|contents?|text|in|inside)\b(?![./]))+/i, '')
    .replace(/\s+(?:file|say|contain|look like|to me)\b[\s?.!]*$/i, '')
    .trim()
  if (target === '' || !isOnePath(target)) return { kind: 'unclear', missing: 'which file to read', example: 'read notes.txt lines 1-20' }
  return { kind: 'read', path: fullPath(target, sentence), fromLine, maxLines }
}

/** Finds "lines 5-9", "from line 5", "first 10 lines" and `file:5-9`, and takes them out. */
function takeLines(text: string): { rest: string; fromLine: number; maxLines: number } {
  const range =
    /[,\s]*\b(?:from\s+)?lines?\s+(\d{1,9})(?:\s*(?:-|–|to|through|until|\.\.)\s*(?:line\s+)?(\d{1,9}))?(?:\s+(?:of|from|in))?/i.exec(
      text,
    ) ?? /:(\d{1,9})(?:-(\d{1,9}))?(?=\s*$)/.exec(text)
  if (range !== null) {
    const rest = `${text.slice(0, range.index)} ${text.slice(range.index + range[0].length)}`
    const from = Math.max(1, Number(range[1]))
    if (range[2] === undefined)
      return { rest, fromLine: from, maxLines: /from\s+line\b/i.test(range[0]) || range[0].startsWith(':') ? unsaid : 1 }
    return { rest, fromLine: from, maxLines: Math.max(1, Number(range[2]) - from + 1) }
  }
  const first = /(?:the\s+)?(?:first|top)\s+(\d{1,9})\s+lines?(?:\s+(?:of|from|in))?/i.exec(text)
  if (first === null) return { rest: text, fromLine: unsaid, maxLines: unsaid }
  return { rest: text.replace(first[0], ' '), fromLine: 1, maxLines: Math.max(1, Number(first[1])) }
}

const search: Rule = (body, sentence) => {
  const found = searchWords(body)
  if (found === null) return null
  const words = sentence
    .fill(found.what.replace(/^(?:all|any|every)\s+(?:lines?|occurrences?|mentions?|places?)\s+(?:of|with|containing)\s+/i, ''))
    .trim()
  if (words === '') return { kind: 'unclear', missing: 'what to look for', example: 'find "budget" in notes' }
  const slashes = /^\/(.+)\/$/.exec(words)
  const regex = slashes !== null || /^\w+\s+(?:for\s+)?(?:the\s+)?(?:regex|pattern)\s/i.test(body)
  return { kind: 'search', pattern: slashes?.[1] ?? words, path: fullPath(found.place, sentence), regex }
}

/** The four ways to say it: "search PLACE for X", "grep X PLACE", "which files contain X" or "where is X", "find X in PLACE". */
function searchWords(body: string): { what: string; place: string } | null {
  const swapped = /^(?:search|grep|look)\s+(?:in\s+|through\s+)?(?!for\s)(\S+)\s+for\s+([\s\S]+)$/i.exec(body)
  if (swapped !== null) return { what: swapped[2] ?? '', place: swapped[1] ?? '' }
  const terse = /^grep\b(?:\s+-\w+)*\s+(\0\d+\0|[^\s\0]+)\s+([^\s\0]+)$/i.exec(body)
  if (terse !== null) return { what: terse[1] ?? '', place: terse[2] ?? '' }
  const question =
    /^(?:which|what)\s+files?\s+(?:contains?|mentions?|has|have)\s+([\s\S]+?)[?]*$/i.exec(body) ??
    /^(?:find\s+(?:out\s+)?)?where\s+(?:is\s+|are\s+|do(?:es)?\s+)?([\s\S]+?)(?:\s+(?:is|are))?(?:\s+(?:mentioned|used|defined|written|appears?|occurs?))?[?]*$/i.exec(
      body,
    )
  if (question !== null) return { what: question[1] ?? '', place: '' }
  const plain = new RegExp(
    String.raw`^(?:find|search|grep|look|locate)\b(?:\s+-\w+)*\s*(?:for\s+)?(?:(?:the\s+)?(?:text|word|string|phrase|pattern|regex)\s+)?([\s\S]*?)(?:\s+${where}\s+(?:the\s+|all\s+|my\s+)?(?:files?\b\s*)?(?:folder\s+|directory\s+)?([^\s]*))?[?]*$`,
    'i',
  ).exec(body)
  return plain === null ? null : { what: plain[1] ?? '', place: plain[2] ?? '' }
}

/** The one path in a text of fillers; the shared folder without a path. */
function pathAmong(text: string, sentence: Sentence): string {
  const placed = new RegExp(
    String.raw`\b${where}\s+(?:the\s+|my\s+|this\s+)?(?:folder\s+|directory\s+|files?\s+(?:in\s+)?)?(\0\d+\0|[^\s?]+)`,
    'i',
  ).exec(text)
  if (placed !== null) return fullPath(placed[1] ?? '', sentence)
  const words = text
    .replaceAll(/(?:^|\s)-\w+/g, ' ')
    .split(/\s+/)
    .filter((word) => word.replaceAll(filler, '').replaceAll(/[?!.,]/g, '') !== '')
  return fullPath(words.length === 1 ? (words[0] ?? '') : '', sentence)
}

/** A bare path is one word; more words are a path only in quotes. */
function isOnePath(text: string): boolean {
  return /^(?:\0\d+\0|[^\s\0]+)[?!.]*$/.test(text)
}

export const lookRules: readonly Rule[] = [summarise, list, read, search]

const path = String.raw`(?:(?:a|the|my)\s+)?(?:new\s+)?(?:file\s+)?(?:(?:named|called)\s+)?(\0\d+\0|[^\s\0]+)`

const append: Rule = (body, sentence) => {
  const verb = /^(?:append|add)\b([\s\S]*)$/i.exec(body)
  if (verb === null) return null
  const found = new RegExp(
    String.raw`^\s+(?:(?:the|an?)\s+(?:new\s+)?)?(?:(?:text|line|words?)\s+)?([\s\S]+)\s+(?:to|onto|into|at)\s+(?:the\s+end\s+of\s+)?${path}\s*$`,
    'i',
  ).exec(verb[1] ?? '')
  if (found === null) return { kind: 'unclear', missing: 'what to add, and to which file', example: 'append "one more line" to notes.txt' }
  return { kind: 'append', path: fullPath(found[2] ?? '', sentence), text: sentence.fill(found[1] ?? '') }
}

const write: Rule = (body, sentence) => {
  const verb = /^(?:write|save|create|put|make|store|new|touch)\b([\s\S]*)$/i.exec(body)
  if (verb === null) return null
  const rest = verb[1] ?? ''
  const worded = new RegExp(
    String.raw`^\s+(?:an?\s+)?(?:empty\s+)?${path}\s+(?:with|containing|that\s+(?:says|contains|reads)|saying)\s+(?:the\s+)?(?:(?:text|contents?|words?|line)\b[:\s]*)?([\s\S]+)$`,
    'i',
  ).exec(rest)
  if (worded !== null) return { kind: 'write', path: fullPath(worded[1] ?? '', sentence), text: sentence.fill(worded[2] ?? '') }
  const placed = new RegExp(String.raw`^\s+(?:the\s+)?(?:(?:text|words?|line)\s+)?([\s\S]+)\s+(?:to|into|in|as)\s+${path}\s*$`, 'i').exec(
    rest,
  )
  if (placed !== null) return { kind: 'write', path: fullPath(placed[2] ?? '', sentence), text: sentence.fill(placed[1] ?? '') }
  const colon = new RegExp(
    String.raw`^\s+(?:to\s+|into\s+)?(?:(?:a|the)\s+)?(?:new\s+)?(?:file\s+)?(\0\d+\0|[^\s\0:]+)\s*(?::|\n)\s*([\s\S]+)$`,
    'i',
  ).exec(rest)
  if (colon !== null) return { kind: 'write', path: fullPath(colon[1] ?? '', sentence), text: sentence.fill(colon[2] ?? '') }
  const empty = new RegExp(
    String.raw`^\s+(?:an?\s+)?(?:new\s+|empty\s+)*(?:file\s+)(?:(?:named|called)\s+)?(\0\d+\0|[^\s\0]+)\s*$`,
    'i',
  ).exec(rest)
  if (empty !== null) return { kind: 'write', path: fullPath(empty[1] ?? '', sentence), text: '' }
  const touched = /^touch\s+(\0\d+\0|[^\s\0]+)\s*$/i.exec(body)
  if (touched !== null) return { kind: 'append', path: fullPath(touched[1] ?? '', sentence), text: '' }
  return { kind: 'unclear', missing: 'what to write, and to which file', example: 'write "hello" to notes.txt' }
}

const edit: Rule = (body, sentence) => {
  const verb = /^(?:edit|replace|change|substitute|swap|in\s+\S+,?\s+(?:replace|change))\b/i.exec(body)
  if (verb === null) return null
  const everywhere = String.raw`(?:\s+(?:everywhere|globally|each\s+time|throughout))?`
  const words = String.raw`(?:replace|change|substitute|swap)\s+((?:all|every|each)\s+)?(?:occurrences?\s+of\s+)?([\s\S]+?)\s+(?:with|to|by|into|for|->|→)\s+`
  const after = new RegExp(String.raw`^${words}([\s\S]+?)${everywhere}\s+(?:in|inside|of|throughout)\s+${path}${everywhere}\s*$`, 'i').exec(
    body,
  )
  const before = new RegExp(
    String.raw`^(?:edit\s+|in\s+)${path}\s*[,:]?\s*(?:and\s+|to\s+|by\s+)?${words}([\s\S]+?)${everywhere}\s*$`,
    'i',
  ).exec(body)
  const all = /\b(?:everywhere|globally|throughout|all|every|each)\b/i.test(body)
  if (after !== null) {
    const [, , find = '', replace = '', file = ''] = after
    return { kind: 'edit', path: fullPath(file, sentence), find: sentence.fill(find), replace: sentence.fill(replace), all }
  }
  if (before !== null) {
    const [, file = '', , find = '', replace = ''] = before
    return {
      kind: 'edit',
      path: fullPath(file.replace(/[,:]$/, ''), sentence),
      find: sentence.fill(find),
      replace: sentence.fill(replace),
      all,
    }
  }
  return { kind: 'unclear', missing: 'what to replace with what, and in which file', example: 'replace "old" with "new" in notes.txt' }
}

const remove: Rule = (body, sentence) => {
  const found = /^(?:delete|remove|rm|erase|unlink|rmdir)\b((?:\s+-\w+)*)\s*([\s\S]*)$/i.exec(body)
  if (found === null) return null
  const named = found[2] ?? ''
  const tail = /\s+(?:recursively|and\s+(?:everything|all)\s+(?:in|inside|under)\s+it)[\s.!]*$/i
  const target = named
    .replace(tail, '')
    .replace(/^(?:(?:the|my|a)\s+)?(?:(?:whole|entire)\s+)?(?:(?:file|folder|directory)\s+)?(?:(?:named|called)\s+)?/i, '')
    .trim()
  const recursive = /r/i.test(found[1] ?? '') || tail.test(named) || /\b(?:folder|directory)\s/i.test(named)
  const wanted = { kind: 'unclear', missing: 'which one file or folder to delete', example: 'delete old.txt' } as const
  if (!/^(?:\0\d+\0|[^\s\0]+)$/.test(target)) return wanted
  const full = fullPath(target, sentence)
  // "delete everything" names nothing: a vague request must not empty a workspace.
  return full === '/shared' || full === '/tmp' ? wanted : { kind: 'delete', path: full, recursive }
}

export const changeRules: readonly Rule[] = [append, edit, remove, write]

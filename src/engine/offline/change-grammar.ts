/** Grammar of what changes files: write, append, edit, delete. */
import { fullPath, type Rule } from './command.ts'

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
  const told = new RegExp(
    String.raw`^\s+(?:an?\s+)?(?:empty\s+)?${path}\s+(?:with|containing|that\s+(?:says|contains|reads)|saying)\s+(?:the\s+)?(?:(?:text|contents?|words?|line)\b[:\s]*)?([\s\S]+)$`,
    'i',
  ).exec(rest)
  if (told !== null) return { kind: 'write', path: fullPath(told[1] ?? '', sentence), text: sentence.fill(told[2] ?? '') }
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
  const said = found[2] ?? ''
  const tail = /\s+(?:recursively|and\s+(?:everything|all)\s+(?:in|inside|under)\s+it)[\s.!]*$/i
  const target = said
    .replace(tail, '')
    .replace(/^(?:(?:the|my|a)\s+)?(?:(?:whole|entire)\s+)?(?:(?:file|folder|directory)\s+)?(?:(?:named|called)\s+)?/i, '')
    .trim()
  const recursive = /r/i.test(found[1] ?? '') || tail.test(said) || /\b(?:folder|directory)\s/i.test(said)
  const wanted = { kind: 'unclear', missing: 'which one file or folder to delete', example: 'delete old.txt' } as const
  if (!/^(?:\0\d+\0|[^\s\0]+)$/.test(target)) return wanted
  const full = fullPath(target, sentence)
  // "delete everything" names nothing: a command palette does not empty a workspace on a loose word.
  return full === '/shared' || full === '/tmp' ? wanted : { kind: 'delete', path: full, recursive }
}

export const changeRules: readonly Rule[] = [append, edit, remove, write]

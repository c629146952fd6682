/**
 * Markdown as a tree, in time that grows with its length: what would take the parser longer is taken for plain text. What can deceive a reader
 * is removed before.
 */
import type { Nodes, Root } from 'mdast'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmStrikethroughFromMarkdown } from 'mdast-util-gfm-strikethrough'
import { gfmTableFromMarkdown } from 'mdast-util-gfm-table'
import { gfmStrikethrough } from 'micromark-extension-gfm-strikethrough'
import { gfmTable } from 'micromark-extension-gfm-table'
import { maxDefinitions, maxDepth, maxEmphasisSigns, maxIndent, maxMarkdownChars } from './limits.ts'

/** Never throws. */
export function parseMarkdown(markdown: string): Root {
  const text = cleanText(markdown)
  if (!isTame(text)) return { type: 'root', children: [{ type: 'paragraph', children: [{ type: 'text', value: text }] }] }
  return fromMarkdown(text, {
    extensions: [gfmTable(), gfmStrikethrough({ singleTilde: false })],
    mdastExtensions: [gfmTableFromMarkdown(), gfmStrikethroughFromMarkdown()],
  })
}

/**
 * Without control characters and halves of surrogate pairs, which platforms refuse, and without the two signs that show text in another order
 * than it is read in. Marks and isolates of right-to-left scripts stay.
 */
function cleanText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the characters that must not be there
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u0080-\u009f\u202d\u202e\ufeff]/g
  return text.replaceAll(/\r\n?/g, '\n').toWellFormed().replaceAll(control, '')
}

/** Whether the parser takes a time that grows with the length. */
function isTame(text: string): boolean {
  if (text.length > maxMarkdownChars) return false
  let [signs, definitions] = [0, 0]
  for (const line of text.split('\n')) {
    const [head = ''] = /^(?:[ \t]|>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*/.exec(line) ?? []
    if (head.length > maxIndent || (head.match(/>|[-+*]|\d+[.)]/g)?.length ?? 0) > maxDepth) return false
    // With an item a paragraph ends; one with a number does so only where no item is before it.
    if (line.trim() === '' || /^\s*[-+*] +\S/.test(line)) signs = 0
    signs += line.match(/[*_~]/g)?.length ?? 0
    if (/^[ >]*\[[^\]]*\]:/.test(line)) definitions += 1
    if (signs > maxEmphasisSigns || definitions > maxDefinitions) return false
  }
  return true
}

/** What a link may lead to from a chat. @returns null: it is dropped, and its text stays */
export function webLink(url: string): string | null {
  const address = URL.parse(url)
  return address !== null && (address.protocol === 'https:' || address.protocol === 'http:') && address.hostname !== ''
    ? address.href
    : null
}

/** @returns by identifier, where references of links and images lead to */
export function definitionsOf(root: Root): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const look = (node: Nodes): void => {
    if (node.type === 'definition' && !found.has(node.identifier)) found.set(node.identifier, node.url)
    if ('children' in node) node.children.forEach(look)
  }
  look(root)
  return found
}

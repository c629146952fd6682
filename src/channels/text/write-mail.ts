/** HTML for e-mail: plain elements, no style but what every program has, and nothing that is loaded from anywhere. */
import type { Nodes, Root, RootContent } from 'mdast'
import { definitionsOf } from './parse-markdown.ts'
import { linkOf, plainOf } from './styled-text.ts'
import { escapeHtml } from './write-telegram.ts'

/** Never throws. */
export function mailHtml(root: Root): string {
  const definitions = definitionsOf(root)
  const inner = (nodes: readonly Nodes[]): string => nodes.map(write).join('')
  const linked = (url: string, node: Nodes, shown: string): string => {
    const { target, note } = linkOf(url, plainOf(node))
    const href = target === '' && /^mailto:[^\s"<>]+$/i.test(url) ? url : target
    return (href === '' ? shown : `<a href="${escapeHtml(href)}">${shown}</a>`) + escapeHtml(note)
  }
  const element = (name: string, content: string, attributes = ''): string => `<${name}${attributes}>${content}</${name}>`
  const simple: Readonly<Partial<Record<Nodes['type'], string>>> = {
    paragraph: 'p',
    blockquote: 'blockquote',
    strong: 'b',
    emphasis: 'i',
    delete: 's',
    tableRow: 'tr',
    tableCell: 'td',
  }
  const write = (node: Nodes): string => {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- all others have only children
    switch (node.type) {
      case 'text':
      case 'html':
        return escapeHtml(node.value).replaceAll('\n', '<br>\n')
      case 'inlineCode':
        return element('code', escapeHtml(node.value))
      case 'code':
        return element('pre', element('code', escapeHtml(node.value)))
      case 'break':
        return '<br>\n'
      case 'thematicBreak':
        return '<hr>'
      case 'heading':
        return element(`h${Math.min(6, node.depth + 1)}`, inner(node.children))
      case 'listItem':
        return element(
          'li',
          node.children
            .map((child) => (child.type === 'paragraph' && node.spread !== true ? inner(child.children) : write(child)))
            .join(''),
        )
      case 'list':
        return element(
          node.ordered === true ? 'ol' : 'ul',
          inner(node.children),
          node.ordered === true ? ` start="${node.start ?? 1}"` : '',
        )
      case 'table':
        return element('table', inner(node.children), ' border="1" cellpadding="4" cellspacing="0"')
      case 'link':
        return linked(node.url, node, inner(node.children))
      case 'linkReference':
        return linked(definitions.get(node.identifier) ?? '', node, inner(node.children))
      case 'image':
        return linked(node.url, node, escapeHtml(node.alt ?? node.url))
      case 'imageReference':
        return linked(definitions.get(node.identifier) ?? '', node, escapeHtml(node.alt ?? ''))
      case 'definition':
        return ''
      default: {
        const name = simple[node.type]
        const content = 'children' in node ? inner(node.children) : escapeHtml(plainOf(node))
        return name === undefined ? content : element(name, content)
      }
    }
  }
  return root.children.map((block: RootContent) => write(block)).join('\n')
}

/**
 * Markdown as elements, made from the tokens of `marked`, never from its HTML: markup in the text is text. Links open outside and only
 * where a browser may go; pictures load only from this page itself.
 *
 * While an answer is written, only its last block changes: the others are the same element as before, so nothing flickers.
 */
import type { MarkedToken, Token, Tokens } from 'marked'
import { createElement, Fragment, memo, type ReactNode, useMemo, useRef } from 'react'
import { CodeBlock } from './code-block.tsx'
import { nothingRead, readMarkdown } from './markdown-tokens.ts'
import { ownValue } from '../../../src/base/index.ts'

export const Markdown = memo(function Markdown({ text }: { readonly text: string }): ReactNode {
  const read = useRef(nothingRead)
  const { tokens } = useMemo(() => (read.current = readMarkdown(read.current, text)), [text])
  return (
    <div className="markdown">
      {tokens.map((block, index) => (
        // Its place is its identity: text only grows at the end.
        <Block key={index} token={block as MarkedToken} raw={block.raw} />
      ))}
    </div>
  )
})

interface BlockProps {
  readonly token: MarkedToken
  readonly raw: string
}

const Block = memo(
  function Block({ token }: BlockProps): ReactNode {
    return rendered(blocks, token)
  },
  (before, after) => before.raw === after.raw && before.token.type === after.token.type,
)

type Renderers = { readonly [Type in MarkedToken['type']]?: (token: Extract<MarkedToken, { type: Type }>) => ReactNode }

const blocks: Renderers = {
  // The page has its own first heading.
  heading: ({ depth, tokens }) => createElement(`h${Math.min(6, depth + 2)}`, null, inlinesOf(tokens)),
  paragraph: ({ tokens }) => <p>{inlinesOf(tokens)}</p>,
  code: ({ text, lang = '' }) => <CodeBlock text={text} language={/^[\w+#.-]*/.exec(lang)?.[0] ?? ''} />,
  blockquote: ({ tokens }) => <blockquote>{blocksOf(tokens)}</blockquote>,
  list: (token) => listOf(token),
  table: (token) => tableOf(token),
  hr: () => <hr />,
  text: (token) => textOf(token),
  html: ({ text }) => text,
}

const inlines: Renderers = {
  strong: ({ tokens }) => <strong>{inlinesOf(tokens)}</strong>,
  em: ({ tokens }) => <em>{inlinesOf(tokens)}</em>,
  del: ({ tokens }) => <del>{inlinesOf(tokens)}</del>,
  codespan: ({ text }) => <code>{text}</code>,
  br: () => <br />,
  link: ({ href, tokens }) => <SafeLink href={href}>{inlinesOf(tokens)}</SafeLink>,
  image: ({ href, text }) => <SafeImage href={href} text={text} />,
  text: (token) => textOf(token),
  escape: ({ text }) => unescaped(text),
  html: ({ text }) => text,
}

function rendered(renderers: Renderers, token: MarkedToken): ReactNode {
  const render = renderers[token.type] as ((token: MarkedToken) => ReactNode) | undefined
  return render?.(token) ?? null
}

function textOf(token: Tokens.Text | Tokens.Tag): ReactNode {
  return 'tokens' in token && token.tokens !== undefined ? inlinesOf(token.tokens) : unescaped(token.text)
}

function blocksOf(tokens: readonly Token[]): ReactNode {
  return tokens.map((token, index) => <Block key={index} token={token as MarkedToken} raw={token.raw} />)
}

function listOf({ ordered, start, items }: Tokens.List): ReactNode {
  const rows = items.map((item, index) => (
    <li key={index} data-task={item.task || undefined}>
      {item.task && (
        <input type="checkbox" checked={item.checked === true} disabled aria-label={item.checked === true ? 'Done' : 'Not done'} />
      )}
      {blocksOf(item.tokens.filter(({ type }) => type !== 'checkbox'))}
    </li>
  ))
  return ordered ? <ol start={start === '' ? 1 : start}>{rows}</ol> : <ul>{rows}</ul>
}

function tableOf({ header, rows }: Tokens.Table): ReactNode {
  return (
    <div className="table-frame" role="region" aria-label="Table" tabIndex={0}>
      <table className="table">
        <thead>
          <tr>
            {header.map((cell, index) => (
              <th key={index} scope="col">
                {inlinesOf(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column}>{inlinesOf(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function inlinesOf(tokens: readonly Token[]): ReactNode {
  return tokens.map((token, index) => <Fragment key={index}>{rendered(inlines, token as MarkedToken)}</Fragment>)
}

/** `marked` keeps entities of the source; a browser would read them in HTML, which this is not. */
function unescaped(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => ownValue(entities, entity) ?? entity)
}

const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&nbsp;': ' ' }

function SafeLink({ href, children }: { readonly href: string; readonly children: ReactNode }): ReactNode {
  const url = URL.parse(href)
  if (url === null || !['http:', 'https:', 'mailto:'].includes(url.protocol)) return <span title={href}>{children}</span>
  return (
    <a href={url.href} target="_blank" rel="noopener noreferrer" title={url.href}>
      {children}
    </a>
  )
}

/** A picture from elsewhere would tell its server who reads what, and when: its address is shown instead. */
function SafeImage({ href, text }: { readonly href: string; readonly text: string }): ReactNode {
  const url = URL.parse(href, location.origin)
  const isOwn =
    url !== null && (url.origin === location.origin || url.protocol === 'blob:' || /^data:image\/(?:png|jpeg|gif|webp);/.test(href))
  return isOwn ? <img src={href} alt={text} loading="lazy" /> : <SafeLink href={href}>{text || href}</SafeLink>
}

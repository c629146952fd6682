/** Code with syntax colours. The highlighter is loaded with the first code; until then, and for what is too long, the text is plain. */
import { type ReactNode, useEffect, useMemo, useState } from 'react'
import { ownValue } from '../../../src/base/index.ts'
import './code.css'

/** A node of the highlighter's tree: elements with classes, and text. It holds no attributes, so nothing in the text becomes markup. */
interface CodeNode {
  readonly type: string
  readonly value?: string
  readonly properties?: { readonly className?: readonly string[] }
  readonly children?: readonly CodeNode[]
}

interface Highlighter {
  registered(language: string): boolean
  highlight(language: string, text: string): CodeNode
}

/** Highlighting more would take longer than a person waits. */
const maxHighlighted = 300_000

let highlighter: Promise<Highlighter> | null = null
/** What is there already colours a text in the frame in which it appears. */
let loadedHighlighter: Highlighter | null = null

async function loadHighlighter(): Promise<Highlighter> {
  const { common, createLowlight } = await import('lowlight')
  return (loadedHighlighter = createLowlight(common) as Highlighter)
}

interface CodeProps {
  readonly text: string
  /** A name or an ending, e.g. `ts`; what is not known is shown plainly. */
  readonly language?: string
  readonly hasLineNumbers?: boolean
  /** For screen readers; a long text can be scrolled with the keyboard. */
  readonly label?: string
}

export function Code({ text, language = '', hasLineNumbers = false, label }: CodeProps): ReactNode {
  const content = useHighlighted(text, language)
  const numbers = useMemo(() => (hasLineNumbers ? lineNumbers(text) : ''), [hasLineNumbers, text])
  return (
    <div className="code-frame" role="region" aria-label={label ?? 'Code'} tabIndex={0}>
      {hasLineNumbers && (
        <pre className="code-numbers" aria-hidden="true">
          {numbers}
        </pre>
      )}
      <pre className="code">
        <code>{content}</code>
      </pre>
    </div>
  )
}

/** @returns the text as coloured spans; as it is until the highlighter is there, and for what it does not know */
export function useHighlighted(text: string, language: string): ReactNode {
  const [found, setFound] = useState(loadedHighlighter)
  const isWanted = language !== '' && text.length <= maxHighlighted
  useEffect(() => {
    if (!isWanted || found !== null) return undefined
    let isCurrent = true
    highlighter ??= loadHighlighter()
    void highlighter.then((loaded) => isCurrent && setFound(loaded))
    return () => void (isCurrent = false)
  }, [found, isWanted])
  return useMemo(
    () => (isWanted && found?.registered(language) === true ? rendered(found.highlight(language, text).children ?? []) : text),
    [found, isWanted, language, text],
  )
}

function rendered(nodes: readonly CodeNode[]): readonly ReactNode[] {
  return nodes.map((node, index) =>
    node.type === 'text' ? (
      node.value
    ) : (
      <span key={index} className={node.properties?.className?.join(' ')}>
        {rendered(node.children ?? [])}
      </span>
    ),
  )
}

function lineNumbers(text: string): string {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return Array.from({ length: Math.max(1, lines) }, (_, index) => index + 1).join('\n')
}

/** @returns the language of a file by its name, for `Code` */
export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  const known: Readonly<Record<string, string>> = {
    dockerfile: 'bash',
    makefile: 'makefile',
    jsonl: 'json',
    toml: 'ini',
    mjs: 'js',
    cjs: 'js',
    mts: 'ts',
    cts: 'ts',
    svg: 'xml',
  }
  const ending = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1) : name
  return ownValue(known, ending) ?? ending
}

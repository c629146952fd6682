/** A block of code with a button that copies it. */
import { Check, Copy } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { IconButton } from './button.tsx'
import { useHighlighted } from './code.tsx'

interface CodeBlockProps {
  readonly text: string
  readonly language?: string
}

export function CodeBlock({ text, language = '' }: CodeBlockProps): ReactNode {
  const content = useHighlighted(text, language.toLowerCase())
  return (
    <div className="code-block">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton text={text} />
      </div>
      <pre tabIndex={0} aria-label={language === '' ? 'Code' : `Code: ${language}`}>
        <code>{content}</code>
      </pre>
    </div>
  )
}

const copiedMs = 1_500

export function CopyButton({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }): ReactNode {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return undefined
    const timer = setTimeout(() => setCopied(false), copiedMs)
    return () => clearTimeout(timer)
  }, [isCopied])
  const copy = (): void => void navigator.clipboard.writeText(text).then(() => setCopied(true))
  return <IconButton size="s" icon={isCopied ? <Check /> : <Copy />} label={isCopied ? 'Copied' : label} onClick={copy} />
}

/** What is in a file: text with colours, pictures, sound and film as they are; everything else to download. */
import { Download, FileQuestion } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { type Failure, toFailure } from '../../../../src/base/index.ts'
import { useEvents } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { Code, languageOf } from '../../ui/code.tsx'
import { bytesText } from '../../ui/layout.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { addressOf, type Content, nameOf, readContent } from './workspace.ts'

export function FileContent({ path }: { readonly path: string }): ReactNode {
  const { isConnected } = useGuest()
  const [content, setContent] = useState<Content | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const [tries, setTries] = useState(0)
  useEvents(['turn_ended'], () => setTries((count) => count + 1))
  useEffect(() => {
    if (!isConnected) return undefined
    const leaving = new AbortController()
    readContent(path, leaving.signal).then(
      (found) => {
        setContent(found)
        setFailure(null)
      },
      (error: unknown) => leaving.signal.aborted || setFailure(toFailure(error, 'internal_failure', 'Try again.')),
    )
    return () => leaving.abort()
  }, [path, isConnected, tries])
  if (failure !== null) return <Problem failure={failure} onRetry={() => setTries((count) => count + 1)} />
  if (content === null) return <Loading label={nameOf(path)} />
  return (
    <div className="file-content">
      <div className="folder-bar">
        <span className="soft small">
          {bytesText(content.totalBytes)}
          {content.kind !== 'text' && `, ${content.type}`}
        </span>
        <a className="button" data-variant="plain" href={addressOf(path, true)} download={nameOf(path)}>
          <Download aria-hidden="true" />
          Download
        </a>
      </div>
      <Shown path={path} content={content} />
    </div>
  )
}

function Shown({ path, content }: { readonly path: string; readonly content: Content }): ReactNode {
  const name = nameOf(path)
  if (content.kind === 'text' && content.text === '') return <Empty title="The file is empty" icon={<FileQuestion />} />
  if (content.kind === 'text')
    return (
      <>
        <Code text={content.text} language={languageOf(path)} hasLineNumbers label={name} />
        {content.isCut && <p className="soft small">This is the beginning. Download the file for all {bytesText(content.totalBytes)}.</p>}
      </>
    )
  if (content.kind === 'image') return <img className="file-image" src={addressOf(path)} alt={name} />
  if (content.kind === 'audio') return <audio controls src={addressOf(path)} aria-label={name} />
  if (content.kind === 'video') return <video className="file-image" controls src={addressOf(path)} aria-label={name} />
  return (
    <Empty title="This is not a text" icon={<FileQuestion />}>
      Download it to open it with a program of yours.
    </Empty>
  )
}

/** The entries of a folder, and uploads into it by drop or by choice. */
import { File as FileIcon, FileText, Folder as FolderIcon, FolderOpen, Link2, Upload as UploadIcon } from 'lucide-react'
import { type DragEvent, type ReactNode, useRef, useState } from 'react'
import { type Failure, toFailure } from '../../../../src/base/index.ts'
import { Button } from '../../ui/button.tsx'
import { bytesText } from '../../ui/layout.tsx'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { type Column, Table } from '../../ui/table.tsx'
import { type Entry, type Folder, nameOf, sendFile } from './workspace.ts'

interface FolderViewProps {
  readonly path: string
  readonly folder: Folder | undefined
  readonly onOpen: (path: string) => void
  readonly onChanged: () => void
}

const columns: readonly Column<Entry>[] = [
  {
    title: 'Name',
    cell: ({ path, kind }) => (
      <span className="entry-name">
        {iconOf(path, kind)}
        {nameOf(path)}
      </span>
    ),
  },
  { title: 'Size', align: 'end', cell: ({ kind, bytes }) => (kind === 'file' ? bytesText(bytes) : kind) },
]

interface Upload {
  readonly name: string
  readonly file: File
  /** 0 to 1. */
  readonly progress: number
  /** `exists`: a person decides whether it replaces the file. */
  readonly state: 'running' | 'done' | 'exists' | 'failed'
  readonly failure: Failure | null
}

interface Uploads {
  readonly uploads: readonly Upload[]
  readonly take: (files: readonly File[]) => Promise<void>
  readonly replace: (upload: Upload) => void
  readonly skip: (upload: Upload) => void
}

function useUploads({ path, folder, onChanged }: Pick<FolderViewProps, 'path' | 'folder' | 'onChanged'>): Uploads {
  const [uploads, setUploads] = useState<readonly Upload[]>([])
  const change = (name: string, more: Partial<Upload>): void =>
    setUploads((all) => all.map((upload) => (upload.name === name ? { ...upload, ...more } : upload)))
  const send = async (file: File, isReplacing: boolean): Promise<void> => {
    change(file.name, { state: 'running', progress: 0, failure: null })
    try {
      await sendFile(`${path}/${file.name}`, file, isReplacing, (progress) => change(file.name, { progress }))
      change(file.name, { state: 'done', progress: 1 })
      onChanged()
    } catch (error) {
      change(file.name, { state: 'failed', failure: toFailure(error, 'internal_failure', 'Upload the file again.') })
    }
  }
  return {
    uploads,
    async take(files) {
      const names = new Set(files.map(({ name }) => name))
      const existing = new Set(folder?.entries.map((entry) => nameOf(entry.path)))
      const fresh = files.map((file): Upload => {
        return { name: file.name, file, progress: 0, state: existing.has(file.name) ? 'exists' : 'running', failure: null }
      })
      setUploads((all) => [...all.filter(({ name, state }) => !names.has(name) && state !== 'done'), ...fresh])
      // One after another: they share the connection.
      for (const { file, state } of fresh) if (state === 'running') await send(file, false)
    },
    replace: ({ file }) => void send(file, true),
    skip: ({ name }) => setUploads((all) => all.filter((upload) => upload.name !== name)),
  }
}

export function FolderView({ path, folder, onOpen, onChanged }: FolderViewProps): ReactNode {
  const { uploads, take, replace, skip } = useUploads({ path, folder, onChanged })
  const [isOver, setOver] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const dropped = (event: DragEvent): void => {
    event.preventDefault()
    setOver(false)
    void take([...event.dataTransfer.files])
  }
  if (folder === undefined) return <Loading label={nameOf(path)} />
  if (folder.failure !== null) return <Problem failure={folder.failure} onRetry={onChanged} />
  return (
    <div
      className="folder"
      data-over={isOver || undefined}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={dropped}
    >
      <div className="folder-bar">
        <span className="soft small">Drop files here to upload them.</span>
        <Button icon={<UploadIcon />} onClick={() => input.current?.click()}>
          Upload
        </Button>
        <input
          ref={input}
          type="file"
          multiple
          className="visually-hidden"
          tabIndex={-1}
          aria-label="Files to upload"
          onChange={({ target }) => {
            void take([...(target.files ?? [])])
            // The same file can be chosen again.
            target.value = ''
          }}
        />
      </div>
      <UploadList uploads={uploads} onReplace={replace} onSkip={skip} />
      {folder.entries.length === 0 ? (
        <Empty title="Nothing is here yet" icon={<FolderOpen />}>
          Agents write here when they work for you.
        </Empty>
      ) : (
        <Table
          label={`Files in ${nameOf(path)}`}
          columns={columns}
          rows={folder.entries}
          keyOf={(entry) => entry.path}
          onOpen={(entry) => onOpen(entry.path)}
        />
      )}
      {folder.isCut && <p className="soft small">Only the first {folder.entries.length} entries are shown.</p>}
    </div>
  )
}

interface UploadListProps {
  readonly uploads: readonly Upload[]
  readonly onReplace: (upload: Upload) => void
  readonly onSkip: (upload: Upload) => void
}

function UploadList({ uploads, onReplace, onSkip }: UploadListProps): ReactNode {
  if (uploads.length === 0) return null
  return (
    <ul className="uploads" aria-label="Uploads">
      {uploads.map((upload) => (
        <li key={upload.name}>
          <span className="upload-name">{upload.name}</span>
          {upload.state === 'running' && <progress max={1} value={upload.progress} aria-label={`Uploading ${upload.name}`} />}
          {upload.state === 'done' && <span className="upload-done">uploaded, {bytesText(upload.file.size)}</span>}
          {upload.state === 'exists' && (
            <>
              <span className="soft">exists already</span>
              <Button size="s" onClick={() => onReplace(upload)}>
                Replace
              </Button>
              <Button size="s" variant="quiet" onClick={() => onSkip(upload)}>
                Keep
              </Button>
            </>
          )}
          <ProblemLine failure={upload.failure} />
        </li>
      ))}
    </ul>
  )
}

export function iconOf(path: string, kind: Entry['kind']): ReactNode {
  if (kind === 'folder') return <FolderIcon aria-hidden="true" />
  if (kind === 'link') return <Link2 aria-hidden="true" />
  return /\.(?:md|txt|[cm]?[jt]sx?|py|json|toml|ya?ml|html?|css)$/i.test(path) ? (
    <FileText aria-hidden="true" />
  ) : (
    <FileIcon aria-hidden="true" />
  )
}

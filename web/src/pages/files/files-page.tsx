/** The workspace: its tree, its files with their history, and what brings an earlier version back. */
import { Eye, EyeOff, FolderOpen, RefreshCw } from 'lucide-react'
import { type ReactNode, useEffect, useMemo, useState } from 'react'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { IconButton } from '../../ui/button.tsx'
import { Page } from '../../ui/layout.tsx'
import { Loading, Problem } from '../../ui/states.tsx'
import { type Tab, Tabs } from '../../ui/tabs.tsx'
import { Tree, type TreeNode } from '../../ui/tree.tsx'
import { FileContent } from './file-content.tsx'
import { FolderView, iconOf } from './folder-view.tsx'
import { History } from './history.tsx'
import { type Entry, nameOf, parentOf, root, useWorkspace, type Workspace } from './workspace.ts'
import './files.css'

type View = 'content' | 'history'

export default function FilesPage({ place }: PageProps): ReactNode {
  const [isAll, setAll] = useState(false)
  const workspace = useWorkspace(isAll)
  const path = place.search.get('path') ?? root
  const view: View = place.search.get('view') === 'history' ? 'history' : 'content'
  const { open } = workspace
  useEffect(() => {
    // The folders above are open in the tree; a file's folder says what it is.
    for (let folder = path; ; folder = parentOf(folder)) {
      if (folder !== path || path === root) open(folder)
      if (folder === root) break
    }
  }, [open, path])
  const entry = entryOf(workspace, path)
  const isFolder = path === root || entry?.kind === 'folder'
  useEffect(() => {
    if (isFolder) open(path)
  }, [isFolder, open, path])
  const actions = (
    <>
      <IconButton
        icon={isAll ? <Eye /> : <EyeOff />}
        label={isAll ? 'Hide hidden and ignored files' : 'Show hidden and ignored files'}
        aria-pressed={isAll}
        onClick={() => setAll(!isAll)}
      />
      <IconButton icon={<RefreshCw />} label="Read again" onClick={workspace.refresh} />
    </>
  )
  return (
    <Page title="Files" intro="What agents and you share. Every version is kept." actions={actions}>
      <div className="files">
        <FileTree workspace={workspace} path={path} />
        <div className="file-pane">
          <Breadcrumb path={path} />
          <Tabs label="View" tabs={tabs} current={view} onChange={(next) => navigate(addressAt(path, next))}>
            {view === 'history' ? (
              <History key={path} path={path} onRestored={workspace.refresh} />
            ) : isFolder ? (
              <FolderView
                path={path}
                folder={workspace.folders.get(path)}
                onChanged={workspace.refresh}
                onOpen={(next) => navigate(addressAt(next))}
              />
            ) : (
              <Missing workspace={workspace} path={path}>
                <FileContent key={path} path={path} />
              </Missing>
            )}
          </Tabs>
        </div>
      </div>
    </Page>
  )
}

const tabs: readonly Tab<View>[] = [
  { name: 'content', title: 'Content' },
  { name: 'history', title: 'History' },
]

function addressAt(path: string, view: View = 'content'): string {
  const search = new URLSearchParams({ ...(path !== root && { path }), ...(view !== 'content' && { view }) }).toString()
  return search === '' ? '/files' : `/files?${search}`
}

function entryOf({ folders }: Workspace, path: string): Entry | undefined {
  return folders.get(parentOf(path))?.entries.find((entry) => entry.path === path)
}

interface MissingProps {
  readonly workspace: Workspace
  readonly path: string
  readonly children: ReactNode
}

/** Waits until it is known whether the path is a folder. A file that is ignored is shown although no folder lists it. */
function Missing({ workspace, path, children }: MissingProps): ReactNode {
  const folder = workspace.folders.get(parentOf(path))
  if (folder === undefined) return <Loading label={nameOf(path)} />
  if (folder.failure !== null) return <Problem failure={folder.failure} onRetry={workspace.refresh} />
  return children
}

function FileTree({ workspace, path }: { readonly workspace: Workspace; readonly path: string }): ReactNode {
  const { folders, open } = workspace
  const top = folders.get(root)
  const nodes = useMemo(() => nodesOf(folders, root), [folders])
  const above = useMemo(() => foldersAbove(path), [path])
  if (top === undefined) return <Loading label="Files" />
  return (
    <nav className="file-tree" aria-label="Files of the workspace">
      <Tree
        label="Files"
        nodes={[{ id: root, label: 'Workspace', icon: <FolderOpen aria-hidden="true" />, children: nodes }]}
        current={path}
        initiallyOpen={above}
        onOpen={open}
        onChoose={(id) => navigate(addressAt(id))}
      />
    </nav>
  )
}

function foldersAbove(path: string): readonly string[] {
  const found = [root]
  for (let folder = parentOf(path); folder !== root; folder = parentOf(folder)) found.push(folder)
  return found
}

function nodesOf(folders: Workspace['folders'], path: string): readonly TreeNode[] {
  return (folders.get(path)?.entries ?? []).map(({ path: id, kind }) => ({
    id,
    label: nameOf(id),
    icon: iconOf(id, kind),
    ...(kind === 'folder' && { children: nodesOf(folders, id) }),
  }))
}

function Breadcrumb({ path }: { readonly path: string }): ReactNode {
  const folders = path === root ? [] : foldersAbove(path).toReversed()
  const above = path === root ? [] : [root, ...folders.filter((folder) => folder !== root)]
  return (
    <nav className="breadcrumb" aria-label="Path">
      <ol>
        {above.map((folder) => (
          <li key={folder}>
            <Link to={addressAt(folder)}>{folder === root ? 'Workspace' : nameOf(folder)}</Link>
          </li>
        ))}
        <li aria-current="page">{path === root ? 'Workspace' : nameOf(path)}</li>
      </ol>
    </nav>
  )
}

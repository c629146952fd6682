/** Installing a server from npm as `oxbow servers install` does: all its packages are shown, and exactly these are installed. */
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { installServer, plainLine, plainText } from '../../../../src/terminal/index.ts'
import { navigate } from '../../app/router.tsx'
import { useAction } from '../../data/calls.ts'
import { otherName, OtherNameField, useForm, wordsOf } from '../../shelf/form-dialog.tsx'
import { useSay } from '../../shelf/said.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { plural } from '../../ui/numbers.ts'
import { ProblemLine } from '../../ui/states.tsx'
import { addedText, HostsField, SandboxFields, sandboxOf } from './server-form.tsx'

type Packages = OutputOf<'server.packages'>

export interface NpmFields {
  readonly name: string
  readonly package: string
  readonly args: string
  readonly env: string
}

interface InstallServerProps {
  /** What it begins with. */
  readonly start: NpmFields
  readonly onClose: () => void
  readonly onSaved: () => void
}

export const noPackage: NpmFields = { name: '', package: '', args: '', env: '' }

export function InstallServer({ start, onClose, onSaved }: InstallServerProps): ReactNode {
  const fields = useForm({ ...start, bin: '', folders: '', allow: '' })
  const { form, typed } = fields
  const [found, setFound] = useState<Packages | null>(null)
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const named = { server: form.name, package: form.package.trim() }
  const look = async (): Promise<void> => setFound((await run('server.packages', named)) ?? null)
  const install = async ({ digest }: Packages): Promise<void> => {
    const bin = form.bin.trim()
    const program = await run('server.install', { ...named, digest, ...(bin !== '' && { bin }) })
    if (program === undefined) return
    const settings = { ...program, args: [...program.args, ...wordsOf(form.args)], ...sandboxOf(form) }
    if ((await run('server.add', { server: form.name, settings })) === undefined) return
    say(addedText(form.name))
    onClose()
    onSaved()
    navigate(openAt('/servers', form.name))
  }
  const decline = (): void => {
    if (found !== null) say(installServer.declined)
    onClose()
  }
  const isComplete = otherName.test(form.name) && isPackage(form.package)
  const actions =
    found === null ? (
      <>
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="primary" isBusy={isBusy} disabled={!isComplete} onClick={() => void look()}>
          Show its packages
        </Button>
      </>
    ) : (
      <>
        <Button onClick={decline}>No</Button>
        <Button variant="primary" isBusy={isBusy} onClick={() => void install(found)}>
          Install
        </Button>
      </>
    )
  return (
    <Dialog title={found === null ? 'Install a server from npm' : installServer.question} isOpen onClose={decline} isWide actions={actions}>
      {found === null ? (
        <div className="shelf-form">
          <OtherNameField right="mcp" {...typed('name')} />
          <TextField
            label="Package"
            hint="With its exact version. Nothing is fetched before you have seen what it needs."
            placeholder="@modelcontextprotocol/server-filesystem@2026.8.31"
            problem={form.package === '' || isPackage(form.package) ? '' : 'NAME@VERSION, such as files-server@1.2.3.'}
            {...typed('package')}
          />
          <TextField label="Arguments" hint="As in a shell, without one." placeholder="/shared" {...typed('args')} />
          <SandboxFields {...fields} />
          <HostsField {...fields} />
          <TextField label="Program" hint="Only for a package that has several." {...typed('bin')} />
        </div>
      ) : (
        <PackageList name={form.name} found={found} />
      )}
      <ProblemLine failure={failure} />
    </Dialog>
  )
}

function PackageList({ name, found: { packages } }: { readonly name: string; readonly found: Packages }): ReactNode {
  return (
    <>
      <p>
        {plural(packages.length, 'package')} would be installed for {name}. No script of them is run.
      </p>
      <ul className="server-packages" aria-label="Packages">
        {packages.map(({ name: pack, version, integrity, has_scripts: hasScripts }) => (
          <li key={`${pack} ${version} ${integrity}`}>
            <code>{plainText(`${pack}@${version}`)}</code> <span className="soft small">{plainLine(integrity, 24)}</span>
            {hasScripts && <p className="field-problem">its install script is not run</p>}
          </li>
        ))}
      </ul>
    </>
  )
}

const isPackage = (text: string): boolean => /^(?:@[\w.~-]+\/)?[\w.~-]+@\d+\.\d+\.\d+[\w.+-]*$/.test(text.trim())

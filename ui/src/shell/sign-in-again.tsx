import { useQueryClient } from '@tanstack/react-query'
import { Dialog } from 'radix-ui'
import { KeyForm } from './sign-in.tsx'

/**
 * The door before a page that stays as it is: nothing of it is seen or reached until somebody has signed in. Who sees other
 * things finds it begun anew (`useIsAnother`).
 */
export function SignInAgain() {
  const client = useQueryClient()
  const goOn = async () => {
    await client.refetchQueries({ queryKey: ['getMe'] })
    await client.invalidateQueries()
  }
  return (
    <Dialog.Root open>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-[80] bg-bg" />
        {/* Keys of the page behind it do nothing. */}
        <Dialog.Content
          onKeyDown={event => event.stopPropagation()}
          className="fixed inset-x-4 top-[max(1rem,16vh)] z-[81] mx-auto max-h-[80vh] max-w-sm space-y-5 overflow-y-auto rounded-card border bg-surface p-6"
        >
          <div className="space-y-1.5">
            <Dialog.Title className="text-lg font-semibold">Your session has ended</Dialog.Title>
            <Dialog.Description className="text-sm text-ink-2">
              Sign in to go on where you were. What you have typed is still there.
            </Dialog.Description>
          </div>
          <KeyForm onSignedIn={goOn} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

/** What the team says about an incident. Only the author edits a comment; everybody may delete it. */
import type { Comment } from "@mayday/client";
import { useRef, useState } from "preact/hooks";
import { api } from "../account.js";
import { keepDraft } from "../drafts.js";
import { AskFirst } from "../kit/ask-first.js";
import { Field, Form, type Values } from "../kit/form.js";
import { useKeys } from "../kit/keys.js";
import { tellChange, usePages } from "../kit/load.js";
import { type Names, UserName } from "../kit/names.js";
import { Empty, More, Shown, When } from "../kit/parts.js";
import { state } from "../state.js";
import { LinkedText, useRereading } from "./parts.js";
import { t } from "./texts.js";

export function Comments({ issueId, names }: { issueId: number; names: Names }) {
  const comments = usePages(`comments/${issueId}`, ["comments"], (page, signal) =>
    api.comments.list({ issueId, ...page }, { signal }),
  );
  const [edited, setEdited] = useState<number>();
  useRereading(comments.reload);
  const remove = async (id: number) => {
    await api.comments.delete(id);
    tellChange("comments");
  };
  return (
    <section class="incident-comments stack" aria-labelledby="comments-title">
      <h2 id="comments-title">{t("incidents.comments")}</h2>
      {edited === undefined && <NewComment issueId={issueId} />}
      <Shown of={comments}>
        {(items) =>
          items.length === 0 ? (
            <Empty>{t("incidents.no-comments")}</Empty>
          ) : (
            <ol class="incident-said">
              {items.map((comment) => (
                <li key={comment.id} class="incident-comment">
                  <div class="row spread">
                    <span class="incident-by">
                      <strong>
                        <UserName names={names} id={comment.authorId} />
                      </strong>{" "}
                      <span class="faint">
                        <When at={comment.timeCreated} />
                      </span>
                    </span>
                    {comment.id !== edited && (
                      <div class="row">
                        {comment.authorId === state.user?.id && (
                          <button type="button" class="plain" onClick={() => setEdited(comment.id)}>
                            {t("incidents.edit")}
                          </button>
                        )}
                        <AskFirst
                          label={t("incidents.delete")}
                          class="plain"
                          title={t("incidents.delete-comment-title")}
                          text={t("incidents.delete-comment-text")}
                          yes={t("incidents.delete-yes")}
                          no={t("incidents.delete-no")}
                          work={() => remove(comment.id)}
                        />
                      </div>
                    )}
                  </div>
                  {comment.id === edited ? (
                    <EditComment comment={comment} leave={() => setEdited(undefined)} />
                  ) : (
                    <p>
                      <LinkedText>{comment.content}</LinkedText>
                    </p>
                  )}
                </li>
              ))}
            </ol>
          )
        }
      </Shown>
      <More pages={comments} />
    </section>
  );
}

function NewComment({ issueId }: { issueId: number }) {
  // After each comment the form is a new one.
  const [count, setCount] = useState(0);
  const draft = `incidents/${issueId}/comment`;
  const place = useRef<HTMLDivElement>(null);
  const focus = () => place.current?.querySelector("textarea")?.focus();
  useKeys({ c: focus });
  const add = async ({ content = "" }: Values) => {
    await api.comments.create({ content, issueId });
    tellChange("comments");
    if (!stillHas(place.current, content)) return;
    // The new form may be there before this one is done, and begins with what is kept.
    keepDraft(draft, "");
    setCount(count + 1);
    requestAnimationFrame(focus);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a key more for the field inside
    <div ref={place} onKeyDown={sendByKey}>
      <Form key={count} draft={draft} submitLabel={t("incidents.comment")} onSubmit={add}>
        <Field name="content" label={t("incidents.your-comment")} hint={t("incidents.comment-hint")} long />
      </Form>
    </div>
  );
}

function EditComment({ comment, leave }: { comment: Comment; leave: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const save = async ({ content = "" }: Values) => {
    if (content !== comment.content) await api.comments.edit(comment.id, { content });
    tellChange("comments");
    if (stillHas(place.current, content)) leave();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a key more for the field inside
    <div ref={place} onKeyDown={sendByKey}>
      <Form draft={`comments/${comment.id}`} submitLabel={t("incidents.save")} onSubmit={save} onCancel={leave}>
        <Field name="content" label={t("incidents.your-comment")} value={comment.content} long />
      </Form>
    </div>
  );
}

/** Whether a form is still there with what was sent. If not, the person has begun something else meanwhile. */
function stillHas(place: HTMLElement | null, content: string): boolean {
  return place?.querySelector("textarea")?.value === content;
}

/** Enter makes a line; with Ctrl it sends. */
function sendByKey(key: KeyboardEvent): void {
  if (key.key !== "Enter" || !(key.ctrlKey || key.metaKey)) return;
  key.preventDefault();
  (key.target as HTMLTextAreaElement).form?.requestSubmit();
}

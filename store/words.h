/* Texts from outside that become words of programs on storage nodes: those of requests, of the configuration, of
 * imported databases, of nodes' answers. Quoting keeps a shell from reading them; these rules keep the program itself
 * from taking one of them for an option of its own. Asked where such a text comes in, and again where a command is
 * built. Pure. */
#ifndef HECATE_STORE_WORDS_H
#define HECATE_STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/types.h"

#define STORE_WORD_MAX 4096           /* bytes of one word, and of one volume option */
#define STORE_OPTIONS_MAX 512         /* volume options of a request, or of a setting */
#define STORE_OPTIONS_BYTES_MAX 65536 /* all of them */
#define STORE_PATH_MAX 1024

/* E_INVALID says which word is unfit, and why. Gluster's client takes each word that begins with "--" for its own
 * option, wherever it stands; other programs take "-x". So a word begins with "-" only if it is a number ("-1"), and
 * none of its parts between spaces begins with "--". No control characters, no ends of lines, and
 * nothing that is no character of Unicode or of XML. "" is a word. */
int store_word_check(const char *word, struct err *reterr);
/* A volume option, "key value" or "group NAME": both are words, and NAME names a file, not a path. Gluster writes a
 * value into its volume files as it is, where it ends at a blank, and where what stands between backquotes is run as a
 * command by every process that reads the file, as root: no backquotes at all, and what else has a meaning there only
 * in the values of keys "user.", which do not get there ("user.xlator" does). Nor does a value begin with "/": options
 * like server.statedump-path or nfs.rpc-statd name files of the node that root writes or runs. (Those of auth. and
 * nfs.export-dir are folders of the volume.) */
int store_option_check(const char *option, struct err *reterr);
/* All of them, and their number and length; the message names the item, counted from 1. */
int store_options_check(const struct store_strs *options, struct err *reterr);
/* Adds "a,b" as two options, and "" as one empty one: clients see it. NULL is "". */
void store_options_split(struct store_strs *list, const char *text);
/* An absolute path of letters, digits and "/._-" with no part "." or "..", and no empty one. */
int store_path_check(const char *path, struct err *reterr);

/* Appends text as one word for sh, whatever it contains: the one place where a shell's word is quoted. Whether the
 * program takes the word for an option of its own is not asked: see store_word_check. */
void store_word_quote(struct buf *buf, const char *text);

/* By allow-list; none begins with "-", and none is empty. */
#define STORE_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
bool store_is_made_of(const char *text, const char *allowed, size_t bytes_max);
bool store_is_name(const char *text);        /* of LVM, and of Gluster's snapshots */
bool store_is_volume_name(const char *text); /* of Gluster's volumes, and of block volumes */
/* Gluster's client has a meaning of its own for it ("volume info all" lists all volumes), so that it makes no volume of
 * this name. */
bool store_is_reserved_name(const char *text);
bool store_is_host(const char *text);   /* a name or an address */
bool store_is_device(const char *text); /* the path of a block device */

#endif
